// A cache in a folder of the client's, reached over its session: blobs are written and read by digest, and the folder's index is the
// client's own to read and write. So what was there under a tag is not known here, and not merged with.
// Counterpart: moby/buildkit cache/remotecache/local.

import { createReadStream } from "node:fs";
import { BuildError, digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { SessionBlobs } from "../ports/index.ts";
import type { SessionStores } from "../sources/index.ts";
import { readCache } from "./cache-manifest.ts";
import type { SmallBlobReader } from "./cache-manifest.ts";
import type { CacheDestination, CacheDraft, Current, DestinationBlobs, PutFile } from "./destination.ts";
import type { OpenedCache } from "./importer.ts";

const MAX_SMALL_BYTES = 16 << 20;

/** The cache of a manifest. @throws CACHE_NOT_FOUND, CACHE_DAMAGED, INVALID_IMAGE. */
export async function openSessionCache(
  blobs: SessionBlobs,
  digest: Digest,
  stores: SessionStores,
  signal: AbortSignal,
): Promise<OpenedCache> {
  const manifest = await readSmall(blobs, digest, signal);
  const cache = await readCache(manifest, (each) => readSmall(blobs, each.digest, signal));
  stores.add(blobs);
  return { cache, remote: JSON.stringify({ kind: "session", ...blobs.remote, cache: true }) };
}

/** A client's folder to export to. */
export class SessionCacheDestination implements CacheDestination {
  readonly name = "exporting cache to client directory";
  readonly #blobs: SessionBlobs;

  constructor(blobs: SessionBlobs) {
    this.#blobs = blobs;
  }

  async has({ digest, size }: Descriptor, signal: AbortSignal): Promise<boolean> {
    return (await this.#blobs.size(digest, signal)) === size;
  }

  async put({ digest, size }: Descriptor, { path }: PutFile, signal: AbortSignal): Promise<void> {
    await this.#blobs.write({ digest, size }, createReadStream(path, { highWaterMark: 1 << 20, signal }), signal);
  }

  async update<T extends Current>(
    _read: (manifest: Uint8Array, readBlob: SmallBlobReader) => Promise<T>,
    make: (current: T | undefined) => Promise<CacheDraft | undefined>,
    signal: AbortSignal,
  ): Promise<DestinationBlobs | undefined> {
    const draft = await make(undefined);
    // The client names the manifest in its index when the build is over.
    if (draft?.last !== true) return draft?.blobs;
    for (const { descriptor, bytes } of [draft.blobs.config, draft.blobs.manifest]) {
      if (!(await this.has(descriptor, signal))) await this.#blobs.write(descriptor, once(bytes), signal);
    }
    return draft.blobs;
  }

  mounts(): CacheDestination {
    throw new BuildError("cache mounts can't be exported to a client's folder", {
      code: "UNSUPPORTED",
      status: "Unimplemented",
      hint: "export them to a registry: --cache-to type=registry,ref=…,mounts=true",
    });
  }
}

async function readSmall(blobs: SessionBlobs, digest: Digest, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of blobs.read(digest, 0, signal)) {
    if ((size += chunk.byteLength) > MAX_SMALL_BYTES) throw damaged(digest);
    parts.push(chunk);
  }
  const bytes = Buffer.concat(parts);
  if (digestOf(bytes) !== digest) throw damaged(digest);
  return bytes;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}

function damaged(digest: Digest): BuildError {
  return new BuildError(`blob ${digest} of the cache can't be used`, { code: "CACHE_DAMAGED", status: "DataLoss" });
}
