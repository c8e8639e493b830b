// Puts blobs into an OCI layout directory; those that are there stay. Every file is written beside and renamed, the index last, so
// that a reader never sees a layout that lacks what its index names.
// Spec: OCI image-spec v1.1 image-layout.md. Counterpart: moby/buildkit client/ociindex.

import * as fs from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Digester, hexOf } from "../../base/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import { copyInKernel } from "./copy-in-kernel.ts";
import type { JobProgress } from "./sink.ts";
import { type BlobSource, readBlob } from "./write-archive.ts";

export interface WriteLayoutInput {
  readonly dir: string;
  readonly blobs: readonly BlobSource[];
}

const CHUNK = 1024 * 1024;

/** @throws BLOB_DAMAGED; ENOSPC and other system errors; an AbortError. */
export function writeLayoutBlobs({ dir, blobs }: WriteLayoutInput, context: JobContext = directContext()): void {
  const folder = join(dir, "blobs", "sha256");
  fs.mkdirSync(folder, { recursive: true });
  let bytes = 0;
  const report = (size: number): void => {
    bytes += size;
    context.progress({ kind: "bytes", bytes } satisfies JobProgress);
  };
  for (const blob of blobs) {
    throwIfAborted(context);
    const path = join(folder, hexOf(blob.digest));
    if (isThere(path, blob)) continue;
    writeBeside(path, 0o444, (target) => {
      if ("bytes" in blob) return writeAll(target, blob.bytes);
      readBlob(blob, (fd, size, seen) => {
        const onPart = (part: number) => {
          throwIfAborted(context);
          report(part);
        };
        let left = size - (seen === undefined ? copyInKernel(fd, target, size, onPart) : 0);
        const chunk = Buffer.allocUnsafeSlow(Math.min(left, CHUNK));
        while (left > 0) {
          throwIfAborted(context);
          const read = fs.readSync(fd, chunk, 0, Math.min(left, CHUNK), null);
          if (read === 0) throw new Error("a blob became shorter while it was exported");
          seen?.(chunk.subarray(0, read));
          writeAll(target, chunk.subarray(0, read));
          left -= read;
          report(read);
        }
      });
    });
  }
}

/** Writes a file under a name of its own and gives it its name when it is whole. */
export function writeBeside(path: string, mode: number, write: (fd: number) => void): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const fd = fs.openSync(temporary, "wx", mode);
  try {
    try {
      write(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

/** A blob that is there with the right bytes need not be written; a torn one is replaced. */
function isThere(path: string, blob: BlobSource): boolean {
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.size !== blob.sizeBytes) return false;
  const fd = fs.openSync(path, "r");
  try {
    const digester = new Digester();
    const chunk = Buffer.allocUnsafeSlow(CHUNK);
    for (let read = fs.readSync(fd, chunk); read > 0; read = fs.readSync(fd, chunk))
      digester.update(chunk.subarray(0, read));
    return digester.digest() === blob.digest;
  } finally {
    fs.closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += fs.writeSync(fd, bytes, at);
}
