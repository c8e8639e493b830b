// The reading half of containerd's content service, for whatever has its blobs in files.
// Counterpart: containerd plugins/services/content/contentserver.

import { open, stat } from "node:fs/promises";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { errnoOf } from "../../base/index.ts";
import { RpcError, StatusCode } from "../../system/rpc/index.ts";

const CHUNK_BYTES = 1 << 20;

/** A blob's size and times. @throws RpcError NOT_FOUND; system errors. */
export async function blobInfo(path: string, digest: string) {
  try {
    const { size, mtimeMs } = await stat(path);
    const time = timestampFromMs(Math.trunc(mtimeMs));
    return { digest, size: BigInt(size), createdAt: time, updatedAt: time };
  } catch (error) {
    throw notFound(digest, error);
  }
}

/** A blob's bytes from `offset` on, `size` of them or, where that is 0, all. @throws RpcError NOT_FOUND, OUT_OF_RANGE; system errors. */
export async function* readBlob(
  path: string,
  { digest, offset, size }: { readonly digest: string; readonly offset: bigint; readonly size: bigint },
): AsyncGenerator<{ offset: bigint; data: Uint8Array }> {
  await using file = await open(path, "r").catch((error: unknown) => {
    throw notFound(digest, error);
  });
  const { size: whole } = await file.stat();
  let at = Number(offset);
  if (at < 0 || at > whole) throw new RpcError(StatusCode.OUT_OF_RANGE, `offset ${at} of ${whole} bytes`);
  let left = size > 0n ? Number(size) : Infinity;
  while (left > 0) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left));
    const { bytesRead } = await file.read(buffer, { position: at });
    if (bytesRead === 0) return;
    yield { offset: BigInt(at), data: buffer.subarray(0, bytesRead) };
    at += bytesRead;
    left -= bytesRead;
  }
}

/** @returns what to throw for a digest that has no file */
function notFound(digest: string, error: unknown): unknown {
  if (errnoOf(error) !== "ENOENT") return error;
  return new RpcError(StatusCode.NOT_FOUND, `content ${digest.slice(0, 100)}: not found`);
}
