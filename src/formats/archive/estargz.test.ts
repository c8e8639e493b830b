import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { byteString } from "../../base/index.ts";
import { NO_XATTRS, type TarEntry } from "./entry.ts";
import { EstargzWriter } from "./estargz.ts";
import { encodeHeader, paddingAfter, TAR_END } from "./tar-writer.ts";

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

function entryOf(path: string, fields: Partial<TarEntry>): TarEntry {
  return {
    path: byteString(path),
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
    ...fields,
  };
}

interface Toc {
  readonly version: number;
  readonly entries: readonly {
    readonly name: string;
    readonly type: string;
    readonly offset?: number;
    readonly size?: number;
    readonly digest?: string;
    readonly chunkDigest?: string;
    readonly chunkOffset?: number;
    readonly chunkSize?: number;
  }[];
}

const big = Buffer.alloc(9 * 1024 * 1024 + 7, "0123456789");
const files: [TarEntry, Buffer][] = [
  [entryOf("dir", { type: "dir", mode: 0o755, mtimeNs: 1_600_000_000_600_000_000n }), Buffer.alloc(0)],
  [entryOf("dir/small", { size: 5, uid: 7, xattrs: new Map([["user.a", Buffer.from("b")]]) }), Buffer.from("small")],
  [entryOf("dir/empty", {}), Buffer.alloc(0)],
  [entryOf("big", { size: big.length }), big],
  [entryOf("link", { type: "symlink", linkname: "dir/small" }), Buffer.alloc(0)],
  [entryOf("wört", { size: 1 }), Buffer.from("w")],
];

function pack(all: readonly [TarEntry, Buffer][]) {
  const written: Buffer[] = [];
  const plain: Buffer[] = [];
  const writer = new EstargzWriter({ write: (chunk) => written.push(chunk) });
  const raw = (bytes: Buffer) => {
    plain.push(bytes);
    writer.raw(bytes);
  };
  for (const [entry, data] of all) {
    const header = encodeHeader(entry);
    plain.push(header, data);
    writer.header(entry, header);
    // In pieces that know nothing of chunks.
    for (let at = 0; at < data.length; at += 1_000_003) writer.data(data.subarray(at, at + 1_000_003));
    if (data.length > 0) raw(Buffer.alloc(paddingAfter(data.length)));
  }
  raw(TAR_END);
  return { result: writer.finish(), blob: Buffer.concat(written), tar: Buffer.concat(plain) };
}

test("each file's data is found by the table and decompresses by itself; the whole is the tar and the table", () => {
  const { result, blob, tar } = pack(files);
  const whole = gunzipSync(blob);
  assert.deepEqual(whole.subarray(0, tar.length), tar);
  assert.equal(sha256(whole), result.diffId);
  assert.equal(whole.length, result.uncompressedSizeBytes);

  const footer = blob.subarray(-51);
  assert.deepEqual([...footer.subarray(0, 4)], [0x1f, 0x8b, 8, 4]);
  assert.equal(footer.subarray(12, 16).toString("latin1"), "SG\x16\x00");
  assert.equal(footer.subarray(32, 38).toString(), "STARGZ");
  assert.equal(gunzipSync(footer).length, 0);
  const table = gunzipSync(blob.subarray(Number.parseInt(footer.subarray(16, 32).toString(), 16)));
  assert.equal(table.subarray(0, 18).toString("latin1"), "stargz.index.json\0");
  const size = Number.parseInt(table.subarray(124, 135).toString(), 8);
  const json = table.subarray(512, 512 + size);
  assert.equal(sha256(json), result.tocDigest);

  const { version, entries } = JSON.parse(json.toString("utf8")) as Toc;
  assert.equal(version, 1);
  assert.deepEqual(
    entries.map(({ name, type }) => `${name} ${type}`),
    ["dir/ dir", "dir/small reg", "dir/empty reg", "big reg", "big chunk", "big chunk", "link symlink", "wört reg"],
  );
  const contents = new Map(files.map(([{ path }, data]) => [Buffer.from(path, "latin1").toString("utf8"), data]));
  for (const { name, offset, chunkOffset = 0, chunkSize, chunkDigest, digest } of entries) {
    const data = contents.get(name);
    if (data === undefined || data.length === 0) continue;
    if (digest !== undefined) assert.equal(digest, sha256(data));
    if (chunkDigest === undefined) continue;
    const chunk = data.subarray(chunkOffset, chunkOffset + (chunkSize ?? data.length));
    assert.equal(chunkDigest, sha256(chunk), name);
    // Nothing before the offset is needed.
    assert.deepEqual(gunzipSync(blob.subarray(offset)).subarray(0, chunk.length), chunk, name);
  }
  const [dir, small] = entries as unknown as Record<string, unknown>[];
  assert.equal(dir!["modtime"], "2020-09-13T12:26:41Z");
  assert.deepEqual([small!["uid"], small!["xattrs"], small!["mode"]], [7, { "user.a": "Yg==" }, 0o644]);
});

test("equal input gives equal bytes; the table's own name is refused", () => {
  assert.deepEqual(pack(files).blob, pack(files).blob);
  assert.throws(
    () => pack([[entryOf("./stargz.index.json", {}), Buffer.alloc(0)]]),
    /stargz\.index\.json can't be in an eStargz layer/,
  );
});
