import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { digestOf } from "../../base/index.ts";
import { encodeHeader, NO_XATTRS, paddingAfter, TAR_END, type TarEntry } from "../../formats/archive/index.ts";
import { getXattr, makeNode, setXattr } from "../../system/linux/index.ts";
import { packLayer, removeTree, settleLayer, unpackLayer, type UnpackedLayer, type UnpackLimits } from "./index.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-blobs-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
let count = 0;

function folder(): string {
  const path = join(dir, `f${count++}`);
  fs.mkdirSync(path);
  return path;
}

type Draft = Partial<TarEntry> & { readonly path: string; readonly content?: string };

function tarOf(drafts: readonly Draft[]): Buffer {
  const parts: Buffer[] = [];
  for (const { content = "", ...draft } of drafts) {
    const data = Buffer.from(content);
    const entry: TarEntry = {
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtimeNs: 1_000_000_000n,
      size: data.length,
      linkname: "",
      devMajor: 0,
      devMinor: 0,
      xattrs: NO_XATTRS,
      ...draft,
    };
    parts.push(encodeHeader(entry), data, Buffer.alloc(paddingAfter(data.length)));
  }
  return Buffer.concat([...parts, TAR_END]);
}

async function unpack(
  bytes: Buffer,
  fsDir = folder(),
  limits: UnpackLimits = {},
): Promise<UnpackedLayer & { fsDir: string }> {
  const blobPath = join(dir, `blob${count++}`);
  fs.writeFileSync(blobPath, bytes);
  return { ...(await unpackLayer({ blobPath, fsDir, limits })), fsDir };
}

function listing(root: string): string[] {
  return fs.readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted();
}

/** cap_net_raw+ep, revision 2. */
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");

function sample(): string {
  const root = folder();
  fs.mkdirSync(join(root, "d/e"), { recursive: true });
  fs.writeFileSync(join(root, "d/big"), Buffer.alloc(3_000_001, "x"));
  fs.writeFileSync(join(root, "d/e/small"), "small");
  fs.writeFileSync(join(root, "suid"), "s");
  fs.chownSync(join(root, "suid"), 7, 8);
  fs.chmodSync(join(root, "suid"), 0o6755);
  fs.linkSync(join(root, "suid"), join(root, "z-link"));
  fs.symlinkSync("../nowhere", join(root, "d/sym"));
  fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0x62])]), "odd name");
  makeNode(join(root, "gone"), 0o020000);
  makeNode(join(root, "null"), 0o020666, 1, 3);
  setXattr(join(root, "d/e"), "trusted.overlay.opaque", Buffer.from("y"));
  setXattr(join(root, "suid"), "user.kept", Buffer.from([0, 255]));
  setXattr(join(root, "suid"), "trusted.overlay.origin", Buffer.from("dropped"));
  fs.chownSync(join(root, "d/e/small"), 9, 9);
  setXattr(join(root, "d/e/small"), "security.capability", CAPABILITY);
  spawnSync("python3", [
    "-c",
    "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])",
    join(root, "sock"),
  ]);
  for (const path of ["d/e/small", "d/e", "d", "suid"])
    fs.utimesSync(join(root, path), 1_500_000_000.5, 1_500_000_000.5);
  return root;
}

for (const compression of ["none", "gzip", "zstd"] as const) {
  void test(`pack and unpack, ${compression}: same tree, same digests every time`, async () => {
    const root = sample();
    const output = join(dir, `packed-${compression}`);
    const packed = await packLayer({ fsDir: root, output, compression });
    const bytes = fs.readFileSync(output);
    assert.equal(packed.blobDigest, digestOf(bytes));
    assert.equal(packed.sizeBytes, bytes.length);
    assert.deepEqual(await packLayer({ fsDir: root, output: null, compression }), packed);
    const unpacked = await unpack(bytes);
    assert.equal(unpacked.diffId, packed.diffId);
    assert.equal(unpacked.blobDigest, packed.blobDigest);
    assert.equal(unpacked.sizeBytes, packed.sizeBytes);
    assert.deepEqual(unpacked.impliedDirs, []);
    assert.deepEqual(await packLayer({ fsDir: unpacked.fsDir, output: null, compression }), packed);
    const suid = fs.statSync(join(unpacked.fsDir, "suid"));
    assert.deepEqual([suid.mode & 0o7777, suid.uid, suid.gid, suid.nlink], [0o6755, 7, 8, 2]);
    assert.deepEqual(getXattr(join(unpacked.fsDir, "suid"), "user.kept"), Buffer.from([0, 255]));
    assert.equal(getXattr(join(unpacked.fsDir, "suid"), "trusted.overlay.origin"), undefined);
    assert.deepEqual(getXattr(join(unpacked.fsDir, "d/e/small"), "security.capability"), CAPABILITY);
    assert.equal(getXattr(join(unpacked.fsDir, "d/e"), "trusted.overlay.opaque")?.toString(), "y");
    assert.equal(fs.lstatSync(join(unpacked.fsDir, "gone")).rdev, 0);
    assert.equal(fs.statSync(join(unpacked.fsDir, "d")).mtimeMs, 1_500_000_000_000);
    assert.equal(fs.existsSync(join(unpacked.fsDir, "sock")), false);
  });
}

void test("the tar is what GNU tar expects, in byte order; nanoseconds on demand; times clamped", async () => {
  const root = sample();
  const output = join(dir, "tar-order");
  await packLayer({ fsDir: root, output, compression: "none", timePrecision: "nanoseconds" });
  const names = execFileSync("tar", ["--quoting-style=escape", "-tf", output]).toString().trim().split("\n");
  assert.deepEqual(names, [
    "d/",
    "d/big",
    "d/e/",
    "d/e/.wh..wh..opq",
    "d/e/small",
    "d/sym",
    ".wh.gone",
    "null",
    "suid",
    "z-link",
    "\\377b",
  ]);
  const target = folder();
  execFileSync("tar", ["-C", target, "-xf", output]);
  assert.equal(fs.statSync(join(target, "d/e/small"), { bigint: true }).mtimeNs, 1_500_000_000_500_000_000n);
  const one = await packLayer({ fsDir: root, output: null, compression: "none", clampMtimeNs: 5n * 10n ** 9n });
  fs.utimesSync(join(root, "suid"), 1_600_000_000, 1_600_000_000);
  assert.deepEqual(
    await packLayer({ fsDir: root, output: null, compression: "none", clampMtimeNs: 5n * 10n ** 9n }),
    one,
  );
});

void test("a name that means deleted is refused, and no half blob stays", async () => {
  const root = folder();
  fs.writeFileSync(join(root, ".wh.x"), "");
  const output = join(dir, "refused");
  await assert.rejects(packLayer({ fsDir: root, output, compression: "gzip" }), { code: "LAYER_NAME_RESERVED" });
  assert.equal(fs.existsSync(output), false);
});

void test("archives of GNU tar, compressed by other tools, with bytes after the end", async () => {
  const root = folder();
  fs.mkdirSync(join(root, "a"));
  fs.writeFileSync(join(root, "a/b"), "b");
  const bytes = execFileSync("tar", ["-C", root, "-c", "."]);
  for (const packed of [
    bytes,
    gzipSync(bytes),
    zstdCompressSync(bytes),
    Buffer.concat([gzipSync(bytes), Buffer.alloc(100)]),
  ]) {
    const found = await unpack(packed);
    assert.deepEqual(listing(found.fsDir), ["a", "a/b"]);
    assert.equal(found.diffId, digestOf(bytes));
    assert.equal(found.blobDigest, digestOf(packed));
  }
  await assert.rejects(unpack(Buffer.from("BZh91AY&SY")), { code: "LAYER_COMPRESSION" });
  await assert.rejects(unpack(gzipSync(bytes).subarray(0, 80)), { code: "BLOB_CORRUPT" });
  await assert.rejects(unpack(bytes.subarray(0, 700)), { code: "TAR_INVALID" });
  assert.deepEqual(listing((await unpack(Buffer.alloc(0))).fsDir), []);
});

// Named after what each would do to a careless unpacker.
const outside = join(dir, "outside");
fs.mkdirSync(outside);
fs.writeFileSync(join(outside, "victim"), "safe");
const up = "../".repeat(12);
const HOSTILE: Record<string, readonly Draft[]> = {
  "dot-dot path": [{ path: "../escaped", content: "x" }],
  "dot-dot inside a path": [{ path: "a/../../escaped", content: "x" }],
  "hardlink out by dot-dot": [{ path: "l", type: "hardlink", linkname: `${up}${outside}/victim` }],
  "NUL in a path": [{ path: "a/../b\0c", content: "x" }],
  "hardlink to a folder": [
    { path: "d", type: "dir" },
    { path: "l", type: "hardlink", linkname: "d" },
  ],
  "a file as parent": [{ path: "f" }, { path: "f/x", content: "x" }],
  "a loop of links as parent": [
    { path: "a", type: "symlink", linkname: "b" },
    { path: "b", type: "symlink", linkname: "a" },
    { path: "a/x", content: "x" },
  ],
  "a file for the root": [{ path: ".", content: "x" }],
};
for (const [name, drafts] of Object.entries(HOSTILE)) {
  void test(`refused: ${name}`, async () => {
    await assert.rejects(unpack(tarOf(drafts)), { code: /NUL/.test(name) ? /./ : "LAYER_INVALID" });
    assert.equal(fs.readFileSync(join(outside, "victim"), "utf8"), "safe");
    assert.deepEqual(fs.readdirSync(outside), ["victim"]);
  });
}

const CONTAINED: Record<string, { drafts: readonly Draft[]; inside: string[] }> = {
  "absolute path": { drafts: [{ path: `${outside}/victim`, content: "x" }], inside: [`${outside}/victim`.slice(1)] },
  "through an absolute link": {
    drafts: [
      { path: "l", type: "symlink", linkname: outside },
      { path: `${outside}`, type: "dir" },
      { path: "l/victim", content: "x" },
    ],
    inside: [`${outside}/victim`.slice(1)],
  },
  "through a climbing link": {
    drafts: [
      { path: "etc", type: "dir" },
      { path: "l", type: "symlink", linkname: `${up}etc` },
      { path: "l/victim", content: "x" },
    ],
    inside: ["etc/victim"],
  },
  "through a chain of links": {
    drafts: [
      { path: "t", type: "dir" },
      { path: "a", type: "symlink", linkname: "b" },
      { path: "b", type: "symlink", linkname: `${up}t` },
      { path: "a/x/victim", content: "x" },
    ],
    inside: ["t/x/victim"],
  },
  "a folder replaced by a link between two files": {
    drafts: [
      { path: "d/one", content: "1" },
      { path: "d", type: "symlink", linkname: outside },
      { path: outside, type: "dir" },
      { path: "d/victim", content: "x" },
    ],
    inside: [`${outside}/victim`.slice(1)],
  },
  "writing through a link": {
    drafts: [
      { path: "f", type: "symlink", linkname: `${outside}/victim` },
      { path: "f", content: "x" },
    ],
    inside: ["f"],
  },
  "whiteout through a link": {
    drafts: [
      { path: outside, type: "dir" },
      { path: "l", type: "symlink", linkname: outside },
      { path: "l/.wh.victim" },
    ],
    inside: [`${outside}/victim`.slice(1)],
  },
};
for (const [name, { drafts, inside }] of Object.entries(CONTAINED)) {
  void test(`kept inside: ${name}`, async () => {
    const { fsDir } = await unpack(tarOf(drafts));
    for (const path of inside) assert.ok(fs.lstatSync(join(fsDir, path)), path);
    assert.equal(fs.readFileSync(join(outside, "victim"), "utf8"), "safe");
    assert.deepEqual(fs.readdirSync(outside), ["victim"]);
  });
}

void test("bombs", async () => {
  const bomb = gzipSync(tarOf([{ path: "zeros", content: "0".repeat(5_000_000) }]));
  await assert.rejects(unpack(bomb, folder(), { maxBytes: 1_000_000 }), { code: "LAYER_TOO_LARGE" });
  const many = tarOf(Array.from({ length: 50 }, (_, index) => ({ path: `${index}` })));
  await assert.rejects(unpack(many, folder(), { maxEntries: 49 }), { code: "LAYER_TOO_LARGE" });
  const deep = tarOf([{ path: "d/".repeat(2500) + "x" }]);
  await assert.rejects(unpack(deep), { code: "LAYER_INVALID" });
  const deeper = tarOf([{ path: "d/".repeat(300_000) + "x" }]);
  await assert.rejects(unpack(deeper), { code: "LAYER_INVALID" });
});

void test("whiteouts, opaque folders and later entries of one layer", async () => {
  const { fsDir, impliedDirs } = await unpack(
    tarOf([
      { path: "gone/.wh.file" },
      { path: "again/.wh.x" },
      { path: "again/x", type: "dir" },
      { path: "kept", content: "new" },
      { path: ".wh.kept" },
      { path: "all/.wh..wh..opq" },
      { path: "all/new", content: "n" },
      { path: ".wh..wh.plnk", type: "dir" },
      { path: "twice", content: "one" },
      { path: "twice", content: "second" },
      {
        path: "evil",
        xattrs: new Map([
          ["trusted.overlay.redirect", Buffer.from("/etc")],
          ["user.overlay.opaque", Buffer.from("y")],
        ]),
      },
    ]),
  );
  assert.deepEqual(listing(fsDir), [
    "again",
    "again/x",
    "all",
    "all/new",
    "evil",
    "gone",
    "gone/file",
    "kept",
    "twice",
  ]);
  assert.deepEqual(impliedDirs, ["gone", "again", "all"]);
  assert.ok(fs.lstatSync(join(fsDir, "gone/file")).isCharacterDevice());
  assert.equal(getXattr(join(fsDir, "again/x"), "trusted.overlay.opaque")?.toString(), "y");
  assert.equal(getXattr(join(fsDir, "all"), "trusted.overlay.opaque")?.toString(), "y");
  assert.equal(fs.readFileSync(join(fsDir, "kept"), "utf8"), "new");
  assert.equal(fs.readFileSync(join(fsDir, "twice"), "utf8"), "second");
  assert.equal(getXattr(join(fsDir, "evil"), "trusted.overlay.redirect"), undefined);
  assert.equal(getXattr(join(fsDir, "evil"), "user.overlay.opaque"), undefined);
});

void test("settling: implied parents, parents that are links below, links to files below", async () => {
  const lower = (
    await unpack(
      tarOf([
        { path: "usr/bin", type: "dir", mode: 0o711, uid: 5 },
        { path: "usr/bin/tool", content: "tool", mode: 0o755 },
        { path: "bin", type: "symlink", linkname: "/usr/bin" },
        { path: "opt", type: "dir", mode: 0o1777, mtimeNs: 7_000_000_000n },
      ]),
    )
  ).fsDir;
  const upper = await unpack(
    tarOf([
      { path: "opt/x", content: "x" },
      { path: "bin/new", content: "new" },
      { path: "opt/alias", type: "hardlink", linkname: "bin/tool" },
    ]),
  );
  assert.deepEqual(upper.impliedDirs, ["opt", "bin"]);
  assert.deepEqual(upper.deferredLinks, [{ path: "opt/alias", target: "bin/tool" }]);
  settleLayer({ ...upper, lowerDirs: [lower] });
  assert.deepEqual(listing(upper.fsDir), [
    "opt",
    "opt/alias",
    "opt/x",
    "usr",
    "usr/bin",
    "usr/bin/new",
    "usr/bin/tool",
  ]);
  const opt = fs.statSync(join(upper.fsDir, "opt"));
  assert.deepEqual([opt.mode & 0o7777, opt.mtimeMs], [0o1777, 7000]);
  const bin = fs.statSync(join(upper.fsDir, "usr/bin"));
  assert.deepEqual([bin.mode & 0o7777, bin.uid], [0o711, 5]);
  assert.equal(fs.readFileSync(join(upper.fsDir, "opt/alias"), "utf8"), "tool");
  assert.equal(fs.statSync(join(upper.fsDir, "opt/alias")).nlink, 2);
  const lost = await unpack(tarOf([{ path: "a", type: "hardlink", linkname: "nowhere" }]));
  assert.throws(() => settleLayer({ ...lost, lowerDirs: [lower] }), { code: "LAYER_INVALID" });
});

void test("removing a deep and wide tree, links untouched", () => {
  const root = folder();
  let path = root;
  for (let depth = 0; depth < 300; depth++) path = join(path, "d");
  fs.mkdirSync(path, { recursive: true });
  for (let index = 0; index < 500; index++) fs.writeFileSync(join(root, `f${index}`), "");
  fs.symlinkSync(outside, join(root, "link"));
  removeTree({ path: root });
  assert.equal(fs.existsSync(root), false);
  assert.ok(fs.existsSync(join(outside, "victim")));
  removeTree({ path: root });
});
