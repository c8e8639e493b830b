// Exporters end to end: what they write is read back by skopeo, umoci, GNU tar and our own eyes; what fails leaves old outputs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, test } from "node:test";
import { digestOf, isBuildError } from "../../src/base/index.ts";
import type { Digest } from "../../src/base/index.ts";
import { createExporter, ImageStore, imagesSchema } from "../../src/engine/exporters/index.ts";
import type { ExportContext, ExportPlatform, ExportSource, LayerSource } from "../../src/engine/exporters/index.ts";
import type { OutputTarget } from "../../src/engine/ports/index.ts";
import { ContentStore } from "../../src/storage/content/index.ts";
import { packLayer } from "../../src/storage/snapshots/index.ts";
import { openDatabase } from "../../src/system/database/index.ts";
import { getXattr, makeNode, setXattr } from "../../src/system/linux/index.ts";
import { WorkerPool } from "../../src/system/workers/index.ts";

const isRoot = process.geteuid?.() === 0;
const home = fs.mkdtempSync(join(tmpdir(), "slipway-exporters-"));
const pool = new WorkerPool({ entry: new URL("../../src/engine/exporters/test-worker.ts", import.meta.url), size: 2 });
const content = new ContentStore(join(home, "content"), "test");
const db = openDatabase(join(home, "store.db"), { migrations: [imagesSchema] });
const images = new ImageStore(db, content, () => 5000);
after(async () => {
  await pool[Symbol.asyncDispose]();
  db.close();
  fs.rmSync(home, { recursive: true, force: true });
});
let count = 0;
const fresh = (): string => join(home, `n${count++}`);

const seen: string[] = [];
function contextOf(signal: AbortSignal = new AbortController().signal): ExportContext {
  seen.length = 0;
  return {
    content,
    images,
    jobs: pool,
    pusher: () => assert.fail("nothing is pushed here"),
    signal,
    warn: (text) => assert.fail(text),
    progress: (id, { completed }) => {
      if (completed === true) seen.push(id.replace(/sha256:[0-9a-f]{64}/, "DIGEST"));
    },
  };
}

/** Two layers: files of many kinds, then one that changes and deletes some. */
const lower = fresh();
fs.mkdirSync(join(lower, "etc/deep"), { recursive: true });
fs.writeFileSync(join(lower, "etc/hello"), "hello\n");
fs.chmodSync(join(lower, "etc/hello"), 0o640);
fs.linkSync(join(lower, "etc/hello"), join(lower, "etc/hello-link"));
fs.symlinkSync("../etc/hello", join(lower, "etc/deep/soft"));
fs.writeFileSync(join(lower, "big"), Buffer.alloc(3_000_001, "x"));
fs.writeFileSync(join(lower, "suid"), "#!");
fs.chmodSync(join(lower, "suid"), 0o4755);
fs.writeFileSync(join(lower, "gone"), "gone");
fs.writeFileSync(join(lower, "wört"), "utf8");
fs.writeFileSync(Buffer.from(`${lower}/bad\xff`, "latin1"), "bytes");
fs.chmodSync(join(lower, "etc"), 0o555);
fs.utimesSync(join(lower, "etc/hello"), 1_600_000_000.25, 1_600_000_000.25);
const upper = fresh();
fs.mkdirSync(upper);
fs.writeFileSync(join(upper, "new"), "new");
if (isRoot) makeNode(join(upper, "gone"), 0o020000, 0, 0);

const layers: LayerSource = {
  blobs: ({ compression, level, bytes = true }) =>
    Promise.all(
      [lower, upper].map(async (fsDir, at) => {
        const output = bytes ? content.temporaryPath() : null;
        const packed = await packLayer({ fsDir, output, compression, level });
        if (output !== null) content.adopt(output, packed.blobDigest, packed.sizeBytes);
        const suffix = compression === "none" ? "" : `+${compression}`;
        return {
          descriptor: {
            mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`,
            digest: packed.blobDigest,
            size: packed.sizeBytes,
          },
          diffId: packed.diffId,
          createdAt: `2024-01-0${at + 1}T00:00:00Z`,
          description: `layer ${at}`,
        };
      }),
    ),
  bring: () => Promise.resolve(),
  tar: () => Promise.reject(new Error("not asked")),
};

function platformOf(architecture: string, overrides: Partial<ExportPlatform> = {}): ExportPlatform {
  return {
    key: `linux/${architecture}`,
    platform: { os: "linux", architecture },
    refOf: () => `ref-${architecture}`,
    config: Buffer.from(
      JSON.stringify({ architecture, os: "linux", config: { Env: ["A=b"], Labels: { "org.example": "<&>" } } }),
    ),
    layers,
    openTree: () => Promise.resolve({ path: lower, [Symbol.asyncDispose]: () => Promise.resolve() }),
    ...overrides,
  };
}

function sourceOf(overrides: Partial<ExportSource> = {}): ExportSource {
  return { platforms: [platformOf("amd64")], multiPlatform: false, metadata: {}, ...overrides };
}

function tool(name: string, ...args: string[]): string {
  return execFileSync(name, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

async function run(
  type: string,
  attributes: Record<string, string>,
  target: OutputTarget | undefined,
  { source = sourceOf(), context = contextOf() }: { source?: ExportSource; context?: ExportContext } = {},
): Promise<Record<string, string>> {
  return createExporter(type, attributes).export(source, target, context);
}

void test("skopeo and umoci read the oci archive", async () => {
  const path = `${fresh()}.tar`;
  const response = await run("oci", { name: "hello:1,hello:2" }, { kind: "file", path });
  assert.deepEqual(seen, [
    "exporting layers",
    "exporting manifest DIGEST",
    "exporting config DIGEST",
    "sending tarball",
  ]);
  assert.equal(response["image.name"], "docker.io/library/hello:1,docker.io/library/hello:2");
  const inspected = JSON.parse(tool("skopeo", "inspect", `oci-archive:${path}:1`)) as Record<string, unknown>;
  assert.equal(inspected["Digest"], response["containerimage.digest"]);
  assert.equal(inspected["Architecture"], "amd64");
  assert.deepEqual(inspected["Labels"], { "org.example": "<&>" });
  assert.equal((inspected["Layers"] as string[]).length, 2);
  const descriptor = JSON.parse(Buffer.from(response["containerimage.descriptor"]!, "base64").toString()) as Record<
    string,
    unknown
  >;
  assert.equal(descriptor["digest"], response["containerimage.digest"]);
  assert.deepEqual(descriptor["platform"], { architecture: "amd64", os: "linux" });

  const layout = fresh();
  fs.mkdirSync(layout);
  tool("tar", "-xf", path, "-C", layout);
  const bundle = fresh();
  tool("umoci", "unpack", ...(isRoot ? [] : ["--rootless"]), "--image", `${layout}:2`, bundle);
  const rootfs = join(bundle, "rootfs");
  assert.equal(fs.readFileSync(join(rootfs, "etc/hello"), "utf8"), "hello\n");
  assert.equal(fs.readFileSync(join(rootfs, "new"), "utf8"), "new");
  assert.equal(fs.lstatSync(join(rootfs, "suid")).mode & 0o7777, 0o4755);
  assert.equal(fs.lstatSync(join(rootfs, "etc/hello")).ino, fs.lstatSync(join(rootfs, "etc/hello-link")).ino);
  if (isRoot) assert.equal(fs.existsSync(join(rootfs, "gone")), false);
  const config = JSON.parse(
    fs.readFileSync(join(layout, "blobs/sha256", response["containerimage.config.digest"]!.slice(7)), "utf8"),
  ) as {
    created: string;
    history: unknown[];
  };
  assert.equal(config.created, "2024-01-02T00:00:00Z");
  assert.deepEqual(config.history, [
    { created: "2024-01-01T00:00:00Z", created_by: "layer 0", comment: "buildkit.exporter.image.v0" },
    { created: "2024-01-02T00:00:00Z", created_by: "layer 1", comment: "buildkit.exporter.image.v0" },
  ]);
});

void test("the archive's entries are those of containerd's, and equal builds give equal bytes", async () => {
  const [one, two] = [`${fresh()}.tar`, `${fresh()}.tar`];
  const attributes = {
    name: "hello",
    "source-date-epoch": "1000000000",
    compression: "zstd",
    "compression-level": "1",
  };
  await run("docker", attributes, { kind: "file", path: one });
  await run("docker", attributes, { kind: "file", path: two });
  assert.equal(digestOf(fs.readFileSync(one)), digestOf(fs.readFileSync(two)));
  const lines = tool("tar", "--numeric-owner", "--utc", "-tvf", one).trim().split("\n");
  const shapes = lines.map((line) => line.replace(/\s+\d+ 1970-01-01 00:00/, "").replace(/[0-9a-f]{64}/, "HEX"));
  assert.deepEqual(shapes, [
    "drwxr-xr-x 0/0 blobs/",
    "drwxr-xr-x 0/0 blobs/sha256/",
    "-r--r--r-- 0/0 blobs/sha256/HEX",
    "-r--r--r-- 0/0 blobs/sha256/HEX",
    "-r--r--r-- 0/0 blobs/sha256/HEX",
    "-r--r--r-- 0/0 blobs/sha256/HEX",
    "-rw-r--r-- 0/0 index.json",
    "-rw-r--r-- 0/0 manifest.json",
    "-r--r--r-- 0/0 oci-layout",
  ]);
  const index = JSON.parse(tool("tar", "-xOf", one, "index.json")) as { manifests: { annotations: unknown }[] };
  assert.deepEqual(
    index.manifests.map(({ annotations }) => annotations),
    [
      {
        "io.containerd.image.name": "docker.io/library/hello:latest",
        "org.opencontainers.image.created": "2001-09-09T01:46:40Z",
        "org.opencontainers.image.ref.name": "latest",
      },
    ],
  );
});

void test("skopeo reads the docker archive, and the whole of it", async () => {
  const path = `${fresh()}.tar`;
  const response = await run("docker", { name: "team/app:v2,localhost:5000/x" }, { kind: "file", path });
  const manifest = JSON.parse(tool("tar", "-xOf", path, "manifest.json")) as {
    Config: string;
    RepoTags: string[];
    Layers: string[];
  }[];
  assert.deepEqual(manifest[0]!.RepoTags, ["team/app:v2", "localhost:5000/x:latest"]);
  assert.equal(manifest[0]!.Config, `blobs/sha256/${response["containerimage.config.digest"]!.slice(7)}`);
  const out = fresh();
  tool("skopeo", "copy", "--quiet", "--insecure-policy", `docker-archive:${path}:team/app:v2`, `dir:${out}`);
  const copied = JSON.parse(fs.readFileSync(join(out, "manifest.json"), "utf8")) as {
    config: { digest: string };
    layers: unknown[];
  };
  assert.equal(copied.config.digest, response["containerimage.config.digest"]);
  assert.equal(copied.layers.length, 2);
  await assert.rejects(run("docker", {}, { kind: "file", path }, { source: sourceOf({ multiPlatform: true }) }), {
    message: "docker exporter does not currently support exporting manifest lists",
  });
});

void test("an oci directory gathers images; a name that comes again is moved", async () => {
  const path = fresh();
  const first = await run("oci", { name: "hello:1", tar: "false" }, { kind: "directory", path });
  const other = { source: sourceOf({ platforms: [platformOf("arm64")] }) };
  const second = await run("oci", { name: "hello:2", tar: "false" }, { kind: "directory", path }, other);
  const third = await run("oci", { name: "hello:1", tar: "false" }, { kind: "directory", path }, other);
  const digestOfTag = (tag: string): unknown =>
    (JSON.parse(tool("skopeo", "inspect", `oci:${path}:${tag}`)) as Record<string, unknown>)["Digest"];
  assert.equal(digestOfTag("1"), third["containerimage.digest"]);
  assert.equal(digestOfTag("2"), second["containerimage.digest"]);
  assert.notEqual(first["containerimage.digest"], second["containerimage.digest"]);
  assert.deepEqual(JSON.parse(tool("umoci", "list", "--layout", path).trim().split("\n").length.toString()), 2);
  assert.deepEqual(fs.readdirSync(path).toSorted(), ["blobs", "index.json", "oci-layout"]);
  // A torn blob is made whole.
  const blob = join(path, "blobs/sha256", third["containerimage.config.digest"]!.slice(7));
  fs.chmodSync(blob, 0o644);
  fs.writeFileSync(blob, "torn");
  await run("oci", { tar: "false" }, { kind: "directory", path }, other);
  assert.equal(digestOf(fs.readFileSync(blob)), third["containerimage.config.digest"]);
  assert.equal(digestOfTag("latest"), third["containerimage.digest"]);
});

void test("several platforms become an index that skopeo copies whole", async () => {
  const path = `${fresh()}.tar`;
  const source = sourceOf({ platforms: [platformOf("amd64"), platformOf("arm64")], multiPlatform: true });
  const response = await run("oci", { name: "multi" }, { kind: "file", path }, { source });
  assert.equal(response["containerimage.config.digest"], undefined);
  const out = fresh();
  tool("skopeo", "copy", "--quiet", "--insecure-policy", "--all", `oci-archive:${path}:latest`, `dir:${out}`);
  const index = fs.readFileSync(join(out, "manifest.json"));
  assert.equal(digestOf(index), response["containerimage.digest"]);
  assert.equal((JSON.parse(index.toString()) as { manifests: unknown[] }).manifests.length, 2);
});

void test("the image exporter keeps the image without writing layers", async () => {
  const response = await run("image", { name: "kept,kept:2", "name-canonical": "true" }, undefined);
  const digest = response["containerimage.digest"] as Digest;
  assert.deepEqual(
    images.byDigest(digest).map(({ name }) => name),
    [
      `docker.io/library/kept:2`,
      `docker.io/library/kept:2@${digest}`,
      `docker.io/library/kept:latest`,
      `docker.io/library/kept:latest@${digest}`,
    ],
  );
  const kept = images.get("kept")!;
  const manifest = JSON.parse(Buffer.from(content.read(digest)).toString()) as {
    config: { digest: Digest; size: number };
    layers: { digest: Digest; size: number; mediaType: string }[];
  };
  assert.deepEqual(
    manifest.layers.map(({ mediaType }) => mediaType),
    Array(2).fill("application/vnd.oci.image.layer.v1.tar"),
  );
  assert.deepEqual(
    manifest.layers.map((layer) => content.has(layer.digest)),
    [false, false],
  );
  assert.deepEqual(kept.platforms, ["linux/amd64"]);
  assert.equal(kept.createdMs, 5000);
  assert.equal(
    kept.sizeBytes,
    content.info(digest)!.sizeBytes + manifest.config.size + manifest.layers.reduce((sum, { size }) => sum + size, 0),
  );
  assert.deepEqual(images.referencedRefs(), new Set(["ref-amd64"]));
  assert.deepEqual(images.referencedDigests(), new Set([digest, manifest.config.digest]));
  assert.deepEqual(seen.at(-1), "naming to docker.io/library/kept:2");

  assert.equal(images.remove("kept:2")?.name, "docker.io/library/kept:2");
  assert.equal(images.remove("kept:2"), undefined);
  for (const { name } of images.list()) images.remove(name);
  assert.deepEqual(images.referencedDigests(), new Set());

  const compressed = await run("image", { compression: "gzip", "dangling-name-prefix": "<none>" }, undefined);
  const name = `<none>@${compressed["containerimage.digest"]!}`;
  assert.equal(compressed["image.name"], name);
  assert.equal(images.get(name)?.digest, compressed["containerimage.digest"]);
  const stored = JSON.parse(Buffer.from(content.read(images.get(name)!.digest)).toString()) as typeof manifest;
  assert.deepEqual(
    stored.layers.map((layer) => content.has(layer.digest)),
    [true, true],
  );
  await run("image", { name: "unkept", store: "false" }, undefined);
  assert.equal(images.get("unkept"), undefined);
});

void test("local copies a tree, replaces what is in the way and keeps the rest", async () => {
  const path = fresh();
  const victim = fresh();
  fs.mkdirSync(join(path, "suid"), { recursive: true });
  fs.mkdirSync(victim);
  fs.writeFileSync(join(path, "suid/old"), "");
  fs.writeFileSync(join(path, "mine"), "mine");
  fs.writeFileSync(join(path, "big"), "old");
  fs.symlinkSync(victim, join(path, "etc"));
  if (isRoot) fs.chownSync(join(lower, "big"), 1234, 1234);
  const attributed = trySetXattr(join(lower, "big"));
  await run("local", {}, { kind: "directory", path });
  assert.deepEqual(seen, ["copying files"]);
  assert.deepEqual(fs.readdirSync(victim), []);
  assert.equal(fs.lstatSync(join(path, "etc")).mode & 0o7777, 0o555);
  const hello = fs.lstatSync(join(path, "etc/hello"), { bigint: true });
  assert.equal(hello.mode & 0o7777n, 0o640n);
  assert.equal(hello.mtimeNs, 1_600_000_000_250_000_000n);
  assert.equal(hello.ino, fs.lstatSync(join(path, "etc/hello-link"), { bigint: true }).ino);
  assert.equal(fs.readlinkSync(join(path, "etc/deep/soft")), "../etc/hello");
  assert.equal(fs.lstatSync(join(path, "suid")).mode & 0o7777, 0o4755);
  assert.equal(fs.readFileSync(join(path, "mine"), "utf8"), "mine");
  assert.equal(fs.lstatSync(join(path, "big")).size, 3_000_001);
  assert.equal(fs.lstatSync(join(path, "big")).uid, process.geteuid?.());
  if (attributed) assert.equal(getXattr(join(path, "big"), "user.note")?.toString(), "kept");
  assert.equal(fs.readFileSync(Buffer.from(`${path}/bad\xff`, "latin1"), "utf8"), "bytes");
  // Again over itself, hard links included.
  await run("local", { "source-date-epoch": "7" }, { kind: "directory", path });
  assert.equal(fs.lstatSync(join(path, "etc/hello")).nlink, 2);
  assert.equal(fs.lstatSync(join(path, "etc")).mtimeMs, 7000);
  await run("local", { mode: "delete" }, { kind: "directory", path });
  assert.deepEqual(fs.readdirSync(path, "latin1").toSorted(), fs.readdirSync(lower, "latin1").toSorted());
});

function trySetXattr(path: string): boolean {
  try {
    setXattr(path, "user.note", Buffer.from("kept"));
    return true;
  } catch {
    return false;
  }
}

void test("several platforms get folders, or share one where nothing collides", async () => {
  const small = (name: string): ExportPlatform => {
    const dir = fresh();
    fs.mkdirSync(join(dir, "shared"), { recursive: true });
    fs.writeFileSync(join(dir, "shared", name), name);
    return platformOf(name, {
      openTree: () => Promise.resolve({ path: dir, [Symbol.asyncDispose]: () => Promise.resolve() }),
    });
  };
  const source = sourceOf({ platforms: [small("amd64"), small("arm64")], multiPlatform: true });
  const path = fresh();
  await run("local", {}, { kind: "directory", path }, { source });
  fs.writeFileSync(join(path, "linux_arm64/shared/extra"), "");
  fs.writeFileSync(join(path, "extra"), "");
  await run("local", { mode: "delete" }, { kind: "directory", path }, { source });
  const list = (dir: string): string[] => fs.readdirSync(dir, { recursive: true, encoding: "utf8" }).toSorted();
  assert.deepEqual(list(path), [
    "linux_amd64",
    "linux_amd64/shared",
    "linux_amd64/shared/amd64",
    "linux_arm64",
    "linux_arm64/shared",
    "linux_arm64/shared/arm64",
  ]);
  const joined = fresh();
  await run("local", { "platform-split": "false", mode: "delete" }, { kind: "directory", path: joined }, { source });
  assert.deepEqual(list(joined), ["shared", "shared/amd64", "shared/arm64"]);
  const same = sourceOf({ platforms: [platformOf("amd64"), platformOf("arm64")], multiPlatform: true });
  await assert.rejects(
    run("local", { "platform-split": "false" }, { kind: "directory", path: fresh() }, { source: same }),
    {
      code: "EXPORT_PATHS_COLLIDE",
    },
  );
  const tar = `${fresh()}.tar`;
  await run("tar", {}, { kind: "file", path: tar }, { source });
  assert.deepEqual(tool("tar", "-tf", tar).trim().split("\n"), [
    "linux_amd64/",
    "linux_amd64/shared/",
    "linux_amd64/shared/amd64",
    "linux_arm64/",
    "linux_arm64/shared/",
    "linux_arm64/shared/arm64",
  ]);
});

void test("tar is what GNU tar unpacks to the same tree, and a stream gets the same bytes", async () => {
  const path = `${fresh()}.tar`;
  await run("tar", {}, { kind: "file", path });
  assert.deepEqual(seen, ["sending tarball"]);
  const out = fresh();
  fs.mkdirSync(out);
  tool("tar", "-xpf", path, "-C", out);
  tool("diff", "-r", "--no-dereference", lower, out);
  assert.equal(fs.lstatSync(join(out, "suid")).mode & 0o7777, 0o4755);
  assert.equal(fs.lstatSync(join(out, "etc/hello")).nlink, 2);
  assert.equal(fs.lstatSync(join(out, "etc/hello")).mtimeMs, 1_600_000_000_000);
  if (isRoot) assert.equal(fs.lstatSync(join(out, "big")).uid, 1234);

  const chunks: Buffer[] = [];
  const stream = new Writable({
    highWaterMark: 1,
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      setImmediate(done);
    },
  });
  await run("tar", {}, { kind: "stream", stream });
  assert.equal(digestOf(Buffer.concat(chunks)), digestOf(fs.readFileSync(path)));
  assert.equal(stream.writableEnded, false);
});

void test("a slow reader slows the writer down; a reader that leaves ends the export", async () => {
  const sparse = fresh();
  fs.mkdirSync(sparse);
  fs.writeFileSync(join(sparse, "zeros"), "");
  fs.truncateSync(join(sparse, "zeros"), 64 * 1024 * 1024);
  const source = sourceOf({
    platforms: [
      platformOf("amd64", {
        openTree: () => Promise.resolve({ path: sparse, [Symbol.asyncDispose]: () => Promise.resolve() }),
      }),
    ],
  });
  let waiting = 0;
  let most = 0;
  const slow = new Writable({
    highWaterMark: 1,
    write: (_chunk, _encoding, done) => {
      most = Math.max(most, slow.writableLength);
      if (++waiting === 1) setTimeout(done, 300);
      else setImmediate(done);
    },
  });
  await run("tar", {}, { kind: "stream", stream: slow }, { source });
  assert.ok(most <= 18 * 1024 * 1024, `${most} bytes were waiting`);

  const broken = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
  });
  await assert.rejects(run("tar", {}, { kind: "stream", stream: broken }, { source }), { code: "EXPORT_CLOSED" });
});

void test("what fails leaves the old file and nothing beside it", async () => {
  const dir = fresh();
  fs.mkdirSync(dir);
  const path = join(dir, "out.tar");
  fs.writeFileSync(path, "old", { mode: 0o600 });
  const failing: ExportSource = sourceOf({
    platforms: [
      platformOf("amd64", {
        layers: {
          ...layers,
          blobs: async (options, signal) => {
            const blobs = await layers.blobs(options, signal);
            fs.writeFileSync(content.path(blobs[1]!.descriptor.digest), Buffer.alloc(blobs[1]!.descriptor.size));
            return blobs;
          },
        },
      }),
    ],
  });
  await assert.rejects(run("oci", { compression: "gzip" }, { kind: "file", path }, { source: failing }), {
    code: "BLOB_DAMAGED",
  });
  const controller = new AbortController();
  const context: ExportContext = {
    ...contextOf(controller.signal),
    progress: (id) => id === "sending tarball" && controller.abort(new Error("enough")),
  };
  await assert.rejects(run("tar", {}, { kind: "file", path }, { context }), { message: "enough" });
  assert.equal(fs.readFileSync(path, "utf8"), "old");
  assert.deepEqual(fs.readdirSync(dir), ["out.tar"]);
  const link = join(dir, "link.tar");
  fs.symlinkSync("out.tar", link);
  await run("tar", {}, { kind: "file", path: link });
  assert.equal(fs.lstatSync(link).isSymbolicLink(), true);
  assert.equal(fs.lstatSync(path).mode & 0o777, 0o600);
  assert.ok(fs.lstatSync(path).size > 3_000_000);
  await run("tar", {}, { kind: "file", path: "/dev/null" });
  assert.equal(fs.lstatSync("/dev/null").isCharacterDevice(), true);
});

void test("places that can't be written to are named, with a remedy", async () => {
  const file = fresh();
  fs.writeFileSync(file, "");
  const cases: [type: string, attributes: Record<string, string>, target: OutputTarget | undefined, code: string][] = [
    ["tar", {}, { kind: "file", path: join(file, "out.tar") }, "EXPORT_UNWRITABLE"],
    ["tar", {}, { kind: "file", path: join(home, "missing/out.tar") }, "EXPORT_UNWRITABLE"],
    ["oci", {}, { kind: "file", path: home }, "EXPORT_UNWRITABLE"],
    ["oci", { tar: "false" }, { kind: "directory", path: join(file, "dir") }, "EXPORT_UNWRITABLE"],
    ["local", {}, { kind: "directory", path: join(file, "dir") }, "EXPORT_UNWRITABLE"],
    ["local", {}, undefined, "EXPORT_TARGET_MISSING"],
    ["docker", {}, undefined, "EXPORT_TARGET_MISSING"],
    ["tar", {}, { kind: "file", path: "/dev/full" }, "DISK_FULL"],
  ];
  for (const [type, attributes, target, code] of cases) {
    await assert.rejects(run(type, attributes, target), (error: unknown) => {
      assert.ok(isBuildError(error), String(error));
      assert.equal(error.code, code, error.message);
      assert.ok(error.hint);
      return true;
    });
  }
});
