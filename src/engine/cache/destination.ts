// Where a cache is exported to. Blobs may be put at any time; what the cache consists of changes in one step, made from what is there,
// so that nobody's records are lost.

import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { CacheBlobs, ReadCache } from "./cache-manifest.ts";

/** What a cache is to become. */
export interface CacheDraft {
  readonly blobs: CacheBlobs;
  /** Every layer that it needs; all of them were put. */
  readonly layers: ReadonlySet<Digest>;
  /** The build is over: time to clear away what nothing needs. */
  readonly last: boolean;
}

export interface CacheDestination {
  /** Name of the step that exports to it. */
  readonly name: string;
  /** Whether the blob is there, whole. */
  has(descriptor: Descriptor, signal: AbortSignal): Promise<boolean>;
  /** Puts a blob from a file; it is verified on the way. */
  put(descriptor: Descriptor, path: string, signal: AbortSignal): Promise<void>;
  /**
   * Makes the cache what `make` gives for what it is now; undefined leaves it. `make` may be called again, with what another
   * exporter made of it meanwhile.
   */
  update(
    make: (current: ReadCache | undefined) => Promise<CacheDraft | undefined>,
    signal: AbortSignal,
  ): Promise<CacheBlobs | undefined>;
}
