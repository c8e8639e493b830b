// Writes an archive of named pieces: bytes at hand and blobs of the content store, each blob verified as it passes. Owners and times
// are zero, so that equal images give equal archives. Counterpart: containerd core/images/archive/exporter.go writeTar.

import * as fs from "node:fs";
import { BuildError, byteString, Digester } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { encodeHeader, paddingAfter, plainEntry } from "../../formats/archive/index.ts";
import { directContext, type JobContext } from "../../system/workers/index.ts";
import { type SinkTarget, TarSink } from "./sink.ts";

/** A blob in a file. */
export interface BlobFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly blobPath: string;
  /** This build wrote it, and hashed what it wrote: it need not be read once more to be trusted. */
  readonly isFresh?: boolean;
}

/** A blob and where its bytes are: at hand, or in a file. */
export type BlobSource = { readonly digest: Digest; readonly sizeBytes: number; readonly bytes: Uint8Array } | BlobFile;

export type ArchiveEntry = { readonly path: string; readonly mode: number } & (
  | { readonly kind: "dir" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "blob"; readonly blob: BlobSource }
);

export interface WriteArchiveInput {
  readonly sink: SinkTarget;
  readonly entries: readonly ArchiveEntry[];
}

/** @throws BLOB_DAMAGED; ENOSPC and other system errors; an AbortError. */
export function writeArchive(
  { sink, entries }: WriteArchiveInput,
  context: JobContext = directContext(),
): { sizeBytes: number } {
  using tar = new TarSink(sink, context);
  for (const entry of entries) {
    tar.write(header(entry));
    if (entry.kind === "dir") continue;
    const bytes = entry.kind === "bytes" ? entry.bytes : "bytes" in entry.blob ? entry.blob.bytes : undefined;
    if (bytes !== undefined) {
      tar.write(bytes);
      tar.write(Buffer.alloc(paddingAfter(bytes.byteLength)));
    } else if (entry.kind === "blob" && "blobPath" in entry.blob) {
      readBlob(entry.blob, (fd, size, seen) => tar.copyFrom(fd, size, seen));
    }
  }
  tar.finish();
  return { sizeBytes: tar.writtenBytes };
}

/**
 * Lets `copy` read a blob's file and checks that what passed is what the digest says: it has to be shown to `seen`, which is undefined for
 * a fresh blob. @throws BLOB_DAMAGED, BLOB_NOT_FOUND.
 */
export function readBlob(
  { digest, sizeBytes, blobPath, isFresh = false }: BlobFile,
  copy: (fd: number, sizeBytes: number, seen: ((bytes: Uint8Array) => void) | undefined) => void,
): void {
  if (!fs.existsSync(blobPath)) {
    throw new BuildError(`blob ${digest}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound", retryable: true });
  }
  const fd = fs.openSync(blobPath, "r");
  try {
    if (fs.fstatSync(fd).size === sizeBytes) {
      const digester = new Digester();
      copy(fd, sizeBytes, isFresh ? undefined : (bytes) => digester.update(bytes));
      if (isFresh || digester.digest() === digest) return;
    }
  } finally {
    fs.closeSync(fd);
  }
  throw new BuildError(`blob ${digest} is damaged`, {
    code: "BLOB_DAMAGED",
    status: "DataLoss",
    hint: "remove it with slipway prune and run the build again",
  });
}

function header(entry: ArchiveEntry): Buffer {
  const size = entry.kind === "dir" ? 0 : entry.kind === "bytes" ? entry.bytes.byteLength : entry.blob.sizeBytes;
  const type = entry.kind === "dir" ? "dir" : "file";
  return encodeHeader(plainEntry({ path: byteString(entry.path), type, mode: entry.mode, size }));
}
