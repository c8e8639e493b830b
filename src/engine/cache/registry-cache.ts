// A cache in a registry: its manifest under a tag. Registries know no locks, so a writer looks again after it has written, and writes
// the union when another one came between. Counterpart: moby/buildkit cache/remotecache/registry.

import { BuildError, digestOf, isBuildError } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { RegistryClient, RegistryPusher } from "../../distribution/index.ts";
import {
  isIndexType,
  isManifestType,
  MAX_MANIFEST_BYTES,
  parseReference,
  referenceName,
  referenceString,
  tagNameOnly,
  withDigest,
} from "../../formats/oci/index.ts";
import type { Descriptor, Reference } from "../../formats/oci/index.ts";
import { readCache } from "./cache-manifest.ts";
import type { SmallBlobReader } from "./cache-manifest.ts";
import type { CacheDestination, CacheDraft, Current, DestinationBlobs, PutFile } from "./destination.ts";
import type { OpenedCache } from "./importer.ts";
import { readMounts } from "./mount-manifest.ts";
import type { ReadMounts } from "./mount-manifest.ts";

const MAX_SMALL_BYTES = 16 << 20;
const MAX_ROUNDS = 20;
/** A look after writing comes so many times later than reading and writing took, in milliseconds at least and at most. */
const LOOK_AGAIN = { factor: 3, leastMs: 50, mostMs: 3000 };

/** The cache, or the images with inline caches, that a reference names. @throws IMAGE_NOT_FOUND, REGISTRY_*, CACHE_DAMAGED. */
export async function openRegistryCache(
  client: RegistryClient,
  text: string,
  signal: AbortSignal,
): Promise<OpenedCache> {
  const ref = tagNameOnly(parseReference(text));
  return {
    cache: await readAt(client, ref, readCache, signal),
    remote: JSON.stringify({ kind: "registry", repository: referenceName(ref), cache: true }),
  };
}

export interface RegistryDestinationOptions {
  readonly client: RegistryClient;
  readonly ref: string;
  readonly reset: boolean;
}

/** A reference to export to. */
export class RegistryCacheDestination implements CacheDestination {
  readonly name = "exporting cache to registry";
  readonly #client: RegistryClient;
  readonly #pusher: RegistryPusher;
  readonly #ref: Reference;
  #reset: boolean;

  /** @throws INVALID_REFERENCE. */
  constructor({ client, ref, reset }: RegistryDestinationOptions) {
    this.#client = client;
    this.#pusher = client.pusher();
    this.#ref = tagNameOnly(parseReference(ref));
    this.#reset = reset;
  }

  has(descriptor: Descriptor, signal: AbortSignal): Promise<boolean> {
    return this.#pusher.hasBlob(this.#ref, descriptor, signal);
  }

  async borrow(descriptor: Descriptor, repositories: readonly string[], signal: AbortSignal): Promise<boolean> {
    const near = repositories.map((name) => parseReference(name)).find(({ domain }) => domain === this.#ref.domain);
    if (near === undefined || near.path === this.#ref.path) return false;
    try {
      return await this.#pusher.mount(this.#ref, descriptor, near.path, signal);
    } catch (error) {
      // It may not be ours to read from: then it is sent.
      if (!isBuildError(error) || signal.aborted) throw error;
      return false;
    }
  }

  async put(descriptor: Descriptor, { path }: PutFile, signal: AbortSignal): Promise<void> {
    await this.#pusher.blob(this.#ref, descriptor, { path }, { signal });
  }

  async update<T extends Current>(
    read: (manifest: Uint8Array, readBlob: SmallBlobReader) => Promise<T>,
    make: (current: T | undefined) => Promise<CacheDraft | undefined>,
    signal: AbortSignal,
  ): Promise<DestinationBlobs | undefined> {
    let written: DestinationBlobs | undefined;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const startMs = performance.now();
      const current = this.#reset ? undefined : await tryReadAt(this.#client, this.#ref, read, signal);
      // What is there is what was written: nobody came between.
      if (written !== undefined && current?.parts[0] === written.manifest.descriptor.digest) return written;
      const draft = await make(current);
      // All of ours is in what another writer made of it.
      if (draft === undefined) return written;
      const { config, manifest } = draft.blobs;
      await this.#pusher.blob(this.#ref, config.descriptor, { bytes: config.bytes }, { signal });
      await this.#pusher.manifest(this.#ref, manifest.descriptor.mediaType, manifest.bytes, signal);
      written = draft.blobs;
      this.#reset = false;
      if (!draft.last) return written;
      const tookMs = performance.now() - startMs;
      const waitMs = Math.min(LOOK_AGAIN.mostMs, Math.max(LOOK_AGAIN.leastMs, tookMs * LOOK_AGAIN.factor));
      await new Promise((resolve) => setTimeout(resolve, waitMs * (1 + Math.random())));
    }
    return written;
  }

  mounts(): CacheDestination {
    const ref = referenceString(mountsReference(this.#ref));
    return new RegistryCacheDestination({ client: this.#client, ref, reset: this.#reset });
  }
}

/** The cache mounts that go with a cache; undefined where there are none. @throws REGISTRY_*, INVALID_IMAGE. */
export async function openRegistryMounts(
  client: RegistryClient,
  text: string,
  signal: AbortSignal,
): Promise<ReadMounts | undefined> {
  return tryReadAt(client, mountsReference(tagNameOnly(parseReference(text))), readMounts, signal);
}

function mountsReference({ domain, path, tag }: Reference): Reference {
  return { domain, path, tag: `${tag ?? "latest"}.mounts`.slice(0, 128) };
}

/** Undefined where there is nothing, or nothing that can be used. */
async function tryReadAt<T>(
  client: RegistryClient,
  ref: Reference,
  read: (manifest: Uint8Array, readBlob: SmallBlobReader) => Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await readAt(client, ref, read, signal);
  } catch (error) {
    if (!isBuildError(error)) throw error;
    if (["IMAGE_NOT_FOUND", "BLOB_NOT_FOUND", "CACHE_DAMAGED", "INVALID_IMAGE"].includes(error.code)) return undefined;
    throw error;
  }
}

async function readAt<T>(
  client: RegistryClient,
  ref: Reference,
  read: (manifest: Uint8Array, readBlob: SmallBlobReader) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { bytes } = await client.manifest(ref, signal);
  const repository: Reference = { domain: ref.domain, path: ref.path };
  return read(bytes, async (descriptor) => {
    if (isIndexType(descriptor.mediaType) || isManifestType(descriptor.mediaType)) {
      if (descriptor.size > MAX_MANIFEST_BYTES) throw damaged(descriptor.digest);
      return (await client.manifest(withDigest(repository, descriptor.digest), signal)).bytes;
    }
    return readBlob(client, repository, descriptor, signal);
  });
}

async function readBlob(
  client: RegistryClient,
  repository: Reference,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (descriptor.size > MAX_SMALL_BYTES) throw damaged(descriptor.digest);
  const provider = client.blobs(repository);
  for (let source = 0; ; source++) {
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of provider.open(descriptor, source, signal)) {
        if ((size += chunk.byteLength) > descriptor.size) throw damaged(descriptor.digest);
        chunks.push(chunk);
      }
      const bytes = Buffer.concat(chunks);
      if (digestOf(bytes) === descriptor.digest) return bytes;
      throw damaged(descriptor.digest);
    } catch (error) {
      if (!isBuildError(error) || source + 1 >= provider.sources) throw error;
    }
  }
}

function damaged(digest: Digest): BuildError {
  return new BuildError(`blob ${digest} of the cache can't be used`, { code: "CACHE_DAMAGED", status: "DataLoss" });
}
