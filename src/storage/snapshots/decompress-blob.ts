// A compressed layer blob as the tar that it holds, without unpacking it: for those who take tars alone.

import * as fs from "node:fs";
import { BuildError, Digester } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { decompress, detectCompression } from "../../formats/archive/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";

export interface DecompressBlobInput {
  readonly blobPath: string;
  /** File to create, exclusively. It is removed again when the blob turns out to be damaged. */
  readonly output: string;
  /** Most bytes that may come out. Defaults to 128 GiB. */
  readonly maxBytes?: number;
}

export interface DecompressedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

const MAX_BYTES = 128 * 2 ** 30;
const CHUNK = 1024 * 1024;

/** @throws BLOB_CORRUPT, LAYER_COMPRESSION, LAYER_TOO_LARGE; ENOSPC and other system errors; an AbortError. */
export async function decompressBlob(
  { blobPath, output, maxBytes = MAX_BYTES }: DecompressBlobInput,
  context: JobContext = directContext(),
): Promise<DecompressedBlob> {
  const source = fs.createReadStream(blobPath, { highWaterMark: CHUNK });
  const target = fs.openSync(output, "wx", 0o644);
  let isDone = false;
  try {
    const digester = new Digester();
    for await (const chunk of decompress(source, startOf(blobPath))) {
      throwIfAborted(context);
      digester.update(chunk);
      if (digester.sizeBytes > maxBytes) throw refused("LAYER_TOO_LARGE", `a layer has more than ${maxBytes} bytes`);
      for (let at = 0; at < chunk.length;) at += fs.writeSync(target, chunk, at);
    }
    isDone = true;
    return { digest: digester.digest(), sizeBytes: digester.sizeBytes };
  } finally {
    source.destroy();
    fs.closeSync(target);
    if (!isDone) fs.rmSync(output, { force: true });
  }
}

function startOf(path: string): "none" | "gzip" | "zstd" {
  const fd = fs.openSync(path, "r");
  try {
    const start = Buffer.alloc(8);
    const compression = detectCompression(start.subarray(0, fs.readSync(fd, start, 0, start.length, 0)));
    if (compression === "bzip2" || compression === "xz")
      throw refused("LAYER_COMPRESSION", `layers compressed with ${compression} are not supported`);
    return compression;
  } finally {
    fs.closeSync(fd);
  }
}

function refused(code: string, message: string): BuildError {
  return new BuildError(message, { code, status: "InvalidArgument" });
}
