// Blobs on their way into folders and archives: those that this build wrote go there without being read once more, others are verified.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { digestOf, hexOf } from "../../base/index.ts";
import { directContext } from "../../system/workers/index.ts";
import { writeArchive } from "./write-archive.ts";
import type { ArchiveEntry, BlobFile } from "./write-archive.ts";
import { writeLayoutBlobs } from "./write-layout.ts";

const home = mkdtempSync(join(tmpdir(), "slipway-fresh-"));
after(() => rmSync(home, { recursive: true, force: true }));

function blobOf(name: string, bytes: Buffer, isFresh: boolean): BlobFile {
  const blobPath = join(home, `${name}-${isFresh}.blob`);
  writeFileSync(blobPath, bytes);
  return { digest: digestOf(bytes), sizeBytes: bytes.length, blobPath, isFresh };
}

const sizes = [0, 1, 511, 1 << 20, (3 << 20) + 77] as const;

suite("fresh blobs", () => {
  for (const isFresh of [false, true]) {
    test(`into a folder, ${isFresh ? "copied" : "verified"}: the same files`, () => {
      const dir = join(home, `layout-${isFresh}`);
      const contents = sizes.map((size) => randomBytes(size));
      const seen: number[] = [];
      const context = {
        ...directContext(),
        progress: (value: unknown) => void seen.push((value as { bytes: number }).bytes),
      };
      writeLayoutBlobs({ dir, blobs: contents.map((each, at) => blobOf(`one-${at}`, each, isFresh)) }, context);
      for (const each of contents) {
        const path = join(dir, "blobs/sha256", hexOf(digestOf(each)));
        assert.deepEqual(readFileSync(path), each);
        assert.equal(statSync(path).mode & 0o777, 0o444 & ~process.umask());
      }
      assert.equal(readdirSync(join(dir, "blobs/sha256")).length, sizes.length);
      assert.equal(
        seen.at(-1),
        contents.reduce((sum, each) => sum + each.length, 0),
      );
    });

    test(`one that is shorter than it says is damaged, ${isFresh ? "copied" : "verified"}`, () => {
      const blob = blobOf("short", randomBytes(2 << 20), isFresh);
      truncateSync(blob.blobPath, 1 << 20);
      const dir = join(home, `short-${isFresh}`);
      assert.throws(() => writeLayoutBlobs({ dir, blobs: [blob] }), { code: "BLOB_DAMAGED" });
      assert.deepEqual(readdirSync(join(dir, "blobs/sha256")), []);
    });

    test(`given up while it is written, nothing of it stays, ${isFresh ? "copied" : "verified"}`, () => {
      const blob = blobOf("given-up", randomBytes(2 << 20), isFresh);
      const dir = join(home, `given-up-${isFresh}`);
      let looks = 0;
      const context = { ...directContext(), aborted: () => ++looks > 1 };
      assert.throws(() => writeLayoutBlobs({ dir, blobs: [blob] }, context), { name: "AbortError" });
      assert.deepEqual(readdirSync(join(dir, "blobs/sha256")), []);
    });
  }

  test("other bytes are seen in what was not just written", () => {
    const blob = blobOf("other", randomBytes(2 << 20), false);
    writeFileSync(blob.blobPath, randomBytes(2 << 20));
    assert.throws(() => writeLayoutBlobs({ dir: join(home, "other"), blobs: [blob] }), { code: "BLOB_DAMAGED" });
  });

  test("in an archive: the same bytes, into a file and in chunks", () => {
    const contents = sizes.map((size) => randomBytes(size));
    const archive = (isFresh: boolean) => {
      const entries = contents.map((each, at): ArchiveEntry => {
        const blob = blobOf(`archive-${at}`, each, isFresh);
        return { kind: "blob", path: `blobs/${hexOf(blob.digest)}`, mode: 0o444, blob };
      });
      const path = join(home, `archive-${isFresh}.tar`);
      const { sizeBytes } = writeArchive({ sink: { kind: "file", path }, entries });
      const bytes = readFileSync(path);
      assert.equal(bytes.length, sizeBytes);
      const chunks: Uint8Array[] = [];
      const progress = (value: unknown) => {
        const { chunk } = value as { chunk?: Uint8Array };
        if (chunk !== undefined) chunks.push(chunk);
      };
      writeArchive(
        { sink: { kind: "chunks", credit: new SharedArrayBuffer(4) }, entries },
        { ...directContext(), progress },
      );
      assert.deepEqual(Buffer.concat(chunks), bytes);
      return bytes;
    };
    assert.deepEqual(archive(true), archive(false));
  });
});
