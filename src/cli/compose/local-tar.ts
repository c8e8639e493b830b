// Files of this machine as a tar for a container: what changed under a watched path, with the folders above it.

import { createReadStream, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { byteString } from "../../base/index.ts";
import { encodeHeader, paddingAfter, plainEntry, TAR_END } from "../../formats/archive/index.ts";

/** A file, folder or link here, and its path in the container's root. */
export interface LocalCopy {
  readonly from: string;
  readonly to: string;
}

/** Everything of `copies`, folders with all that is in them unless `shallow`; what is gone by now is left out. Owned by root. */
export async function* localTar(
  copies: readonly LocalCopy[],
  { shallow = false }: { readonly shallow?: boolean } = {},
): AsyncGenerator<Uint8Array> {
  const made = new Set<string>();
  for (const copy of copies) {
    for (const folder of foldersAbove(copy.to)) {
      if (made.has(folder)) continue;
      made.add(folder);
      yield encodeHeader(
        plainEntry({ path: folder, type: "dir", mode: 0o755, mtimeNs: BigInt(Date.now()) * 1_000_000n }),
      );
    }
    yield* one(copy, shallow);
  }
  yield TAR_END;
}

function foldersAbove(path: string): string[] {
  const parts = relativeTo(path).split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}

function relativeTo(path: string): string {
  return byteString(posix.normalize(path).replace(/^\/+/, "").replace(/\/$/, ""));
}

async function* one({ from, to }: LocalCopy, shallow: boolean): AsyncGenerator<Uint8Array> {
  const stat = lstatSync(from, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return;
  const path = relativeTo(to);
  const common = { path, mode: Number(stat.mode & 0o7777n), mtimeNs: stat.mtimeNs };
  if (stat.isSymbolicLink()) {
    yield encodeHeader(plainEntry({ ...common, type: "symlink", linkname: byteString(readlinkSync(from)) }));
  } else if (stat.isDirectory()) {
    yield encodeHeader(plainEntry({ ...common, type: "dir" }));
    if (shallow) return;
    for (const name of readdirSync(from)) yield* one({ from: posix.join(from, name), to: posix.join(to, name) }, false);
  } else if (stat.isFile()) {
    const size = Number(stat.size);
    yield encodeHeader(plainEntry({ ...common, type: "file", size }));
    let sent = 0;
    if (size > 0) {
      for await (const chunk of createReadStream(from, { end: size - 1 }) as AsyncIterable<Buffer>) {
        sent += chunk.length;
        yield chunk;
      }
    }
    // One that shrinks while it is read is filled up: the archive stays whole, and the change that follows sends it again.
    yield new Uint8Array(size - sent + paddingAfter(size));
  }
}
