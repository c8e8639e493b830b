// Where a cache is exported to. Blobs may be put at any time; what the cache consists of changes in one step, made from what is there,
// so that nobody's records are lost.

import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { SmallBlobReader } from "./cache-manifest.ts";

/** The manifest of what is exported and its config, to be stored in this order. */
export interface DestinationBlobs {
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
}

/** What a destination is to become. */
export interface CacheDraft {
  readonly blobs: DestinationBlobs;
  /** Every layer that it needs; all of them were put. */
  readonly layers: ReadonlySet<Digest>;
  /** The build is over: time to clear away what nothing needs. */
  readonly last: boolean;
}

/** What is there, as far as destinations must know it. */
export interface Current {
  /** The manifest first, then what else it has besides layers. */
  readonly parts: readonly Digest[];
  readonly layers: ReadonlyMap<Digest, Descriptor>;
}

/** Where a blob's bytes are. */
export interface PutFile {
  readonly path: string;
  /** This build wrote it, and hashed what it wrote. */
  readonly isFresh?: boolean;
}

/** A blob that is made where it is to be. Disposing without commit leaves nothing. */
export interface StagedBlob extends Disposable {
  /** Of a file that is to be made. */
  readonly path: string;
  /** Gives the finished file, hashed as it was written, its name. */
  commit(descriptor: Descriptor): void;
}

export interface CacheDestination {
  /** Name of the step that exports to it. */
  readonly name: string;
  /** Whether the blob is there, whole. */
  has(descriptor: Descriptor, signal: AbortSignal): Promise<boolean>;
  /** Takes a blob over from one of these repositories, where that spares sending it; false where it does not. */
  borrow?(descriptor: Descriptor, repositories: readonly string[], signal: AbortSignal): Promise<boolean>;
  /** Puts a blob from a file; it is verified on the way, but for one that was just written, and hashed with that. */
  put(descriptor: Descriptor, file: PutFile, signal: AbortSignal): Promise<void>;
  /** A place to make a blob in, where the destination is made of files. */
  stage?(): StagedBlob;
  /**
   * Makes what is there what `make` gives for what `read` makes of it; undefined leaves it. Both may be called again, with what
   * another exporter made of it meanwhile.
   */
  update<T extends Current>(
    read: (manifest: Uint8Array, readBlob: SmallBlobReader) => Promise<T>,
    make: (current: T | undefined) => Promise<CacheDraft | undefined>,
    signal: AbortSignal,
  ): Promise<DestinationBlobs | undefined>;
  /** The place beside this one where cache mounts are kept. */
  mounts(): CacheDestination;
}
