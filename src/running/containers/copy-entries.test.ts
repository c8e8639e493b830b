import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeHeader, paddingAfter, plainEntry, TAR_END } from "../../formats/archive/index.ts";
import type { TarEntry } from "../../formats/archive/index.ts";
import { entriesOf, tarOf } from "./copy-entries.ts";

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

/** In pieces of a size, as a pipe may give it. */
async function* pieces(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

function tar(...entries: (Partial<TarEntry> & Pick<TarEntry, "path" | "type" | "mode"> & { data?: string })[]): Buffer {
  const parts = entries.flatMap(({ data = "", ...entry }) => {
    const bytes = Buffer.from(data);
    return [
      encodeHeader(plainEntry({ ...entry, size: bytes.length })),
      bytes,
      Buffer.alloc(paddingAfter(bytes.length)),
    ];
  });
  return Buffer.concat([...parts, TAR_END]);
}

test("a tar becomes entries and the same tar again, however it is cut", async () => {
  const whole = tar(
    { path: "dir", type: "dir", mode: 0o755, mtimeNs: 1_500_000_000n },
    {
      path: "dir/file",
      type: "file",
      mode: 0o4640,
      uid: 1000,
      gid: 70_000,
      data: "some text",
      mtimeNs: -1_000_000_000n,
    },
    { path: `dir/${"long".repeat(60)}`, type: "file", mode: 0o600, data: "x".repeat(512) },
    { path: "dir/link", type: "symlink", mode: 0o777, linkname: "../else where" },
    { path: "dir/hard", type: "hardlink", mode: 0o600, linkname: "dir/file" },
    { path: "dir/pipe", type: "fifo", mode: 0o600 },
    { path: "dir/null", type: "char", mode: 0o666, devMajor: 1, devMinor: 3 },
    { path: "empty", type: "file", mode: 0o644 },
  );
  for (const size of [1, 51, 512, 100_000]) {
    const entries = await collect(entriesOf(pieces(whole, 700), undefined));
    assert.deepEqual(await collect(tarOf(pieces(entries, size))), whole, `${size}`);
  }
});

test("names are cleaned; those that climb, and ends without a mark, are refused", async () => {
  const clean = await collect(
    tarOf(
      pieces(
        await collect(
          entriesOf(pieces(tar({ path: ".//a/./b", type: "file", mode: 0o600, data: "x" }), 99), { uid: 7, gid: 8 }),
        ),
        9,
      ),
    ),
  );
  assert.deepEqual(clean, tar({ path: "a/b", type: "file", mode: 0o600, uid: 7, gid: 8, data: "x" }));
  for (const path of ["../x", "a/../../x", ".."]) {
    await assert.rejects(
      collect(entriesOf(pieces(tar({ path, type: "file", mode: 0o600 }), 512), undefined)),
      { code: "COPY_FAILED" },
      path,
    );
  }
  const hard = tar({ path: "x", type: "hardlink", mode: 0, linkname: "../../etc/passwd" });
  await assert.rejects(collect(entriesOf(pieces(hard, 512), undefined)), { code: "COPY_FAILED" });
  const entries = await collect(
    entriesOf(pieces(tar({ path: "a", type: "file", mode: 0o600, data: "text" }), 512), undefined),
  );
  await assert.rejects(collect(tarOf(pieces(entries.subarray(0, -1), 512))), { message: "cut short" });
});
