import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import {
  type Compression,
  Compressor,
  decompress,
  detectCompression,
  encodeHeader,
  type MemberMaker,
  NO_XATTRS,
  paddingAfter,
  TAR_END,
  type TarEntry,
  TarReader,
  whiteoutOf,
} from "./index.ts";
import { gzipLevelFor, memberLevelFor } from "./gzip-level.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-archive-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));

const PLAIN: TarEntry = {
  path: "file",
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  size: 0,
  linkname: "",
  devMajor: 0,
  devMinor: 0,
  xattrs: NO_XATTRS,
};

function readTar(bytes: Buffer, chunkBytes = bytes.length): { entry: TarEntry; data: Buffer }[] {
  const found: { entry: TarEntry; data: Buffer }[] = [];
  let chunks: Buffer[] = [];
  const reader = new TarReader({
    entry: (entry) => void found.push({ entry, data: Buffer.alloc(0) }),
    data: (chunk) => void chunks.push(Buffer.from(chunk)),
    end: () => {
      found.at(-1)!.data = Buffer.concat(chunks);
      chunks = [];
    },
  });
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.push(bytes.subarray(at, at + chunkBytes));
  reader.finish();
  return found;
}

function writeTar(items: readonly { entry: TarEntry; data: Buffer }[]): Buffer {
  const parts = items.flatMap(({ entry, data }) => [
    encodeHeader(entry),
    data,
    Buffer.alloc(paddingAfter(data.length)),
  ]);
  return Buffer.concat([...parts, TAR_END]);
}

void test("property: what is written is read back, in chunks of any size", () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 300 })
    .map((bytes) => Buffer.from(bytes).toString("latin1").replace(/[\0/]/g, "x"));
  const entry = fc.record({
    path: name,
    type: fc.constantFrom("file", "dir", "symlink", "hardlink", "char", "block", "fifo" as const),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    gid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    mtimeNs: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 19n }),
    linkname: name,
    devMajor: fc.nat(4095),
    devMinor: fc.nat(1_048_575),
    xattrs: fc.array(fc.tuple(fc.stringMatching(/^user\.[a-z]{1,9}$/), fc.uint8Array({ maxLength: 50 }))),
    data: fc.uint8Array({ maxLength: 2000 }),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), fc.integer({ min: 1, max: 3000 }), (drafts, chunkBytes) => {
      const items = drafts.map(({ data, ...draft }) => {
        const bytes = draft.type === "file" ? Buffer.from(data) : Buffer.alloc(0);
        const device = draft.type === "char" || draft.type === "block";
        const link = draft.type === "symlink" || draft.type === "hardlink";
        return {
          entry: {
            ...draft,
            size: bytes.length,
            linkname: link ? draft.linkname : "",
            devMajor: device ? draft.devMajor : 0,
            devMinor: device ? draft.devMinor : 0,
            xattrs: new Map(draft.xattrs.map(([key, value]) => [key, Buffer.from(value)] as const).toSorted()),
          },
          data: bytes,
        };
      });
      const read = readTar(writeTar(items), chunkBytes);
      assert.deepEqual(
        read.map(({ entry: { xattrs, ...rest }, data }) => ({
          ...rest,
          xattrs: new Map([...xattrs].toSorted()),
          data,
        })),
        items.map(({ entry: { xattrs, ...rest }, data }) => ({ ...rest, xattrs, data })),
      );
    }),
    { numRuns: 150 },
  );
});

void test("property: any damage is an error or entries, never a crash of another kind", () => {
  const good = writeTar([{ entry: { ...PLAIN, path: "p".repeat(200), size: 3 }, data: Buffer.from("abc") }]);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
      const bad = Buffer.from(good);
      bad[at] = byte;
      try {
        readTar(bad);
      } catch (error) {
        assert.match((error as { code: string }).code, /^TAR_/);
      }
    }),
    { numRuns: 500 },
  );
});

for (const format of ["gnu", "pax", "ustar", "v7"]) {
  void test(`GNU tar's ${format} archives are read`, () => {
    const root = join(dir, `read-${format}`);
    const long = format === "gnu" || format === "pax" ? `${"long/".repeat(30)}${"n".repeat(150)}` : "short/name";
    fs.mkdirSync(join(root, long, ".."), { recursive: true });
    fs.writeFileSync(join(root, long), "content of the file");
    fs.symlinkSync(`${"target/".repeat(format === "gnu" || format === "pax" ? 40 : 2)}x`, join(root, "link"));
    fs.linkSync(join(root, long), join(root, "z-hard"));
    if (format !== "v7") execFileSync("mkfifo", [join(root, "fifo")]);
    fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff, 0xfe])]), "x");
    fs.utimesSync(join(root, long), 1_500_000_000.25, 1_500_000_000.25);
    const bytes = execFileSync("tar", [`--format=${format}`, "--sort=name", "-C", root, "-c", "."], { maxBuffer: 1e9 });
    const found = new Map(readTar(bytes, 777).map((item) => [item.entry.path, item]));
    const file = found.get(`./${long}`)!;
    assert.equal(file.data.toString(), "content of the file");
    assert.equal(file.entry.mtimeNs, format === "pax" ? 1_500_000_000_250_000_000n : 1_500_000_000_000_000_000n);
    assert.equal(found.get("./link")!.entry.linkname, fs.readlinkSync(join(root, "link")));
    assert.deepEqual(found.get("./z-hard")!.entry.linkname, `./${long}`);
    if (format !== "v7") assert.equal(found.get("./fifo")!.entry.type, "fifo");
    assert.equal(found.get("./f\u00ff\u00fe")!.data.toString(), "x");
    assert.equal(found.get(".")!.entry.type, "dir");
  });
}

void test("GNU tar reads what we write", () => {
  const items = [
    { entry: { ...PLAIN, path: "d", type: "dir" as const, mode: 0o755 }, data: Buffer.alloc(0) },
    {
      entry: { ...PLAIN, path: `d/${"x".repeat(180)}`, size: 5, mode: 0o4755, uid: 3_000_000 },
      data: Buffer.from("hello"),
    },
    { entry: { ...PLAIN, path: "d/\u00ff", size: 1, mtimeNs: 1_234_567_890_123_456_789n }, data: Buffer.from("!") },
    {
      entry: { ...PLAIN, path: "d/sym", type: "symlink" as const, linkname: "t".repeat(150), mode: 0o777 },
      data: Buffer.alloc(0),
    },
    { entry: { ...PLAIN, path: "d/hard", type: "hardlink" as const, linkname: "d/\u00ff" }, data: Buffer.alloc(0) },
  ];
  const listing = spawnSync("tar", ["--numeric-owner", "--full-time", "--quoting-style=escape", "-tv"], {
    input: writeTar(items),
    env: { ...process.env, TZ: "UTC", LC_ALL: "C" },
  });
  assert.equal(listing.stderr.toString(), "");
  assert.deepEqual(
    listing.stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => line.replace(/\s+/g, " ")),
    [
      "drwxr-xr-x 0/0 0 1970-01-01 00:00:00 d/",
      `-rwsr-xr-x 3000000/0 5 1970-01-01 00:00:00 d/${"x".repeat(180)}`,
      "-rw-r--r-- 0/0 1 2009-02-13 23:31:30.123456789 d/\\377",
      `lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 d/sym -> ${"t".repeat(150)}`,
      "hrw-r--r-- 0/0 0 1970-01-01 00:00:00 d/hard link to d/\\377",
    ],
  );
});

void test("sparse files, cut archives, huge extension headers and wrong checksums are refused", () => {
  const file = join(dir, "sparse");
  fs.closeSync(fs.openSync(file, "w"));
  fs.truncateSync(file, 10_000_000);
  for (const format of ["gnu", "pax"]) {
    const bytes = execFileSync("tar", [`--format=${format}`, "--sparse", "-C", dir, "-c", "sparse"]);
    assert.throws(() => readTar(bytes), { code: "TAR_SPARSE" });
  }
  const good = writeTar([{ entry: { ...PLAIN, size: 3 }, data: Buffer.from("abc") }]);
  assert.throws(() => readTar(good.subarray(0, 514)), { code: "TAR_INVALID" });
  assert.throws(() => readTar(good.subarray(0, 500)), { code: "TAR_INVALID" });
  const huge = encodeHeader({ ...PLAIN, size: 2_000_000 });
  huge.write("x", 156);
  huge.write("        ", 148);
  const sum = huge.reduce((total, byte) => total + byte, 0);
  huge.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  assert.throws(() => readTar(huge), /an extended header of 2000000 bytes/);
  const wrong = Buffer.from(good);
  wrong[0] = 1;
  assert.throws(() => readTar(wrong), /checksum/);
});

void test("whiteout names", () => {
  assert.deepEqual(whiteoutOf("file"), { kind: "none" });
  assert.deepEqual(whiteoutOf(".wh.file"), { kind: "whiteout", name: "file" });
  assert.deepEqual(whiteoutOf(".wh..wh..opq"), { kind: "opaque" });
  for (const name of [".wh.", ".wh..wh.plnk", ".wh..wh.aufs"]) assert.deepEqual(whiteoutOf(name), { kind: "reserved" });
});

/** gzip by zlib; members by whoever the Compressor is given; zstd. */
type Form = "gzip" | "members" | "zstd";

function formOptions(form: Form): { compression: "gzip" | "zstd"; member?: MemberMaker } {
  if (form !== "members") return { compression: form };
  const member: MemberMaker = async (data, level, target) => {
    // Not in the order that they were begun in.
    await sleep(data.length % 3);
    return gzipSync(data, { level }).copy(target);
  };
  return { compression: "gzip", member };
}

async function compressed(input: Buffer, form: Form, chunkBytes: number, parallel: number): Promise<Buffer> {
  const out: Buffer[] = [];
  const compressor = new Compressor({
    ...formOptions(form),
    parallel,
    write: (chunk) => void out.push(Buffer.from(chunk)),
  });
  for (let at = 0; at < input.length; at += chunkBytes) await compressor.push(input.subarray(at, at + chunkBytes));
  await compressor.finish();
  return Buffer.concat(out);
}

async function decompressed(input: Buffer, compression: Compression): Promise<Buffer> {
  const out: Buffer[] = [];
  for await (const chunk of decompress(Readable.from([input.subarray(0, 100), input.subarray(100)]), compression))
    out.push(chunk);
  return Buffer.concat(out);
}

void test("gzip: text is searched longer than programs, what is compressed hardly", async () => {
  const source = Buffer.from(
    "export function take(from: readonly string[]): string { return from[0] ?? ''; }\n".repeat(9000),
  );
  assert.equal(gzipLevelFor(source), 5);
  assert.equal(gzipLevelFor(Buffer.alloc(1 << 20)), 5);
  assert.equal(gzipLevelFor(Buffer.alloc(0)), 5);
  assert.equal(gzipLevelFor(randomBytes(1 << 20)), 1);
  // Half of its bytes spread evenly, half of them letters.
  const program = randomBytes(1 << 20).map((byte, at) => (at % 2 === 0 ? byte : 97 + (byte % 16)));
  assert.equal(gzipLevelFor(program), 3);
  assert.deepEqual([source, program, randomBytes(1 << 20)].map(memberLevelFor), [4, 4, 1]);
  const given = async (level: number) => {
    const out: Buffer[] = [];
    const compressor = new Compressor({ compression: "gzip", level, write: (chunk) => void out.push(chunk) });
    await compressor.push(source);
    await compressor.finish();
    return Buffer.concat(out);
  };
  assert.deepEqual(await given(5), await compressed(source, "gzip", 1 << 20, 1), "the level that was chosen");
  assert.ok((await given(1)).length > (await given(9)).length, "a level that is given is kept");
});

for (const form of ["gzip", "members", "zstd"] as const) {
  const { compression } = formOptions(form);

  void test(`${form}: same bytes however it is cut and however many threads; other tools read it`, async () => {
    const words = Array.from({ length: 1_300_000 }, (_, index) => `${(index * 7919) % 10_007} `).join("");
    for (const input of [
      Buffer.alloc(0),
      Buffer.from("x"),
      Buffer.alloc(1 << 20),
      Buffer.concat([Buffer.from(words), randomBytes(1000)]),
      Buffer.concat([randomBytes(3 << 20), Buffer.from(words.slice(0, 3 << 20)), Buffer.alloc(1 << 20)]),
      randomBytes(4 << 20),
      Buffer.concat([randomBytes(9 << 20), Buffer.from(words), randomBytes(70_001)]),
    ]) {
      const one = await compressed(input, form, 1 << 20, 1);
      assert.ok(one.equals(await compressed(input, form, 100_003, 7)));
      const plain =
        compression === "gzip" ? gunzipSync(one) : spawnSync("zstd", ["-dc"], { input: one, maxBuffer: 1e9 }).stdout;
      if (plain !== null) assert.ok(plain.equals(input));
      assert.equal(detectCompression(one), compression);
      assert.ok((await decompressed(one, compression)).equals(input));
      if (compression === "zstd") assert.ok(input.length < 1 << 20 ? zstdDecompressSync(one).equals(input) : true);
    }
  });

  void test(`${form}: what does not get smaller is stored, what only looks so is not`, async () => {
    const noise = randomBytes((8 << 20) + 100_000);
    const stored = await compressed(noise, form, 1 << 20, 4);
    assert.ok(stored.length > noise.length && stored.length < noise.length * 1.0002, `${stored.length} bytes`);
    assert.ok(stored.includes(noise.subarray(1000, 2000)), "as it lies");
    const again = Buffer.concat(Array.from({ length: 64 }, () => noise.subarray(0, 16 << 10)));
    assert.ok((await compressed(again, form, 1 << 20, 4)).length < again.length / 8, "the same bytes come again");
    const program = Buffer.from(noise.map((byte, at) => (at % 2 === 0 ? byte : 97 + (byte % 16))));
    assert.ok((await compressed(program, form, 1 << 20, 4)).length < program.length * 0.95);
    const given: Buffer[] = [];
    const level = compression === "gzip" ? 9 : 10;
    const compressor = new Compressor({
      ...formOptions(form),
      level,
      write: (chunk) => void given.push(Buffer.from(chunk)),
    });
    await compressor.push(noise);
    await compressor.finish();
    assert.ok((await decompressed(Buffer.concat(given), compression)).equals(noise));
  });

  void test(`${form}: damaged and cut data is BLOB_CORRUPT`, async () => {
    const good = await compressed(Buffer.from("hello world ".repeat(10_000)), form, 1000, 2);
    const bad = Buffer.from(good);
    bad[30]! ^= 0xff;
    await assert.rejects(decompressed(bad, compression), { code: "BLOB_CORRUPT" });
    await assert.rejects(decompressed(good.subarray(0, good.length - 12), compression), { code: "BLOB_CORRUPT" });
  });
}

void test("concatenated members and a failing source", async () => {
  const one = await compressed(Buffer.from("one"), "gzip", 10, 1);
  assert.equal((await decompressed(Buffer.concat([one, one]), "gzip")).toString(), "oneone");
  const failing = Readable.from(
    (async function* () {
      yield one.subarray(0, 5);
      await Promise.resolve();
      throw new Error("connection lost");
    })(),
  );
  await assert.rejects(async () => {
    for await (const chunk of decompress(failing, "gzip")) assert.ok(chunk);
  }, /connection lost/);
});
