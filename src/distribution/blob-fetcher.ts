// Brings blobs into the content store: each once however many ask, a bounded number at a time, hashed while written. What does not
// match its descriptor is never kept. Counterpart: containerd core/remotes handlers, moby/buildkit util/resolver/limited.

import { BuildError, FlightControl, Semaphore, isBuildError } from "../base/index.ts";
import type { Digest } from "../base/index.ts";
import type { Descriptor } from "../formats/oci/index.ts";
import type { ContentStore } from "../storage/content/index.ts";

/** Places that have blobs. */
export interface BlobProvider {
  /** How many places may be asked, numbered from 0 in order of preference. */
  readonly sources: number;
  /** A blob's bytes from one place; not verified. */
  open(descriptor: Descriptor, source: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface FetchProgress {
  readonly digest: Digest;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface FetchOptions {
  readonly signal?: AbortSignal;
  /** Called as bytes come, at the latest at the end; not called when the blob was here. */
  readonly onProgress?: (progress: FetchProgress) => void;
}

/** How often a blob that came damaged is asked for again. */
const EXTRA_ATTEMPTS = 3;

export class BlobFetcher {
  readonly #content: ContentStore;
  readonly #limit: Semaphore;
  readonly #flights = new FlightControl<void>();
  readonly #watchers = new Map<Digest, Set<(progress: FetchProgress) => void>>();

  /** @param parallel how many blobs are fetched at once; defaults to 4. */
  constructor(content: ContentStore, parallel = 4) {
    this.#content = content;
    this.#limit = new Semaphore(parallel);
  }

  /**
   * Makes sure that the content store has the blob.
   *
   * @throws DIGEST_MISMATCH, SIZE_MISMATCH, what the provider throws for its last place, `signal.reason`.
   */
  async fetch(descriptor: Descriptor, provider: BlobProvider, options: FetchOptions = {}): Promise<void> {
    const { digest } = descriptor;
    if (this.#content.has(digest)) return;
    const { signal, onProgress } = options;
    const watchers = this.#watchers.get(digest) ?? new Set();
    if (onProgress) {
      this.#watchers.set(digest, watchers);
      watchers.add(onProgress);
    }
    try {
      // The size is part of the key: a descriptor that lies about it must not fail those that don't.
      await this.#flights.do(
        `${digest} ${descriptor.size}`,
        (shared) => this.#limit.run(() => this.#bring(descriptor, provider, shared), shared),
        signal,
      );
    } finally {
      if (onProgress) {
        watchers.delete(onProgress);
        if (watchers.size === 0) this.#watchers.delete(digest);
      }
    }
  }

  async #bring(descriptor: Descriptor, provider: BlobProvider, signal: AbortSignal): Promise<void> {
    if (this.#content.has(descriptor.digest)) return;
    for (let attempt = 0; ; attempt++) {
      const source = attempt % provider.sources;
      try {
        await this.#write(descriptor, provider.open(descriptor, source, signal), signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isBuildError(error) || error.code === "DISK_FULL") throw named(error, descriptor);
        if (attempt + 1 < provider.sources) continue;
        // Bytes that were changed on the way come right the next time; a registry that has wrong ones is found out soon enough.
        const isDamage = error.code === "DIGEST_MISMATCH" || error.code === "SIZE_MISMATCH";
        if (!isDamage || attempt + 1 >= provider.sources + EXTRA_ATTEMPTS) throw named(error, descriptor);
      }
    }
  }

  async #write({ digest, size }: Descriptor, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    using writer = this.#content.writer({ expected: digest, sizeBytes: size });
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      writer.write(chunk);
      this.#tell({ digest, receivedBytes: writer.writtenBytes, totalBytes: size });
    }
    writer.commit();
    if (size === 0) this.#tell({ digest, receivedBytes: 0, totalBytes: 0 });
  }

  #tell(progress: FetchProgress): void {
    for (const watcher of this.#watchers.get(progress.digest) ?? []) watcher(progress);
  }
}

/** The store's sentences do not say which blob it was. */
function named(error: unknown, { digest }: Descriptor): unknown {
  if (!isBuildError(error) || !["DIGEST_MISMATCH", "SIZE_MISMATCH"].includes(error.code)) return error;
  return new BuildError(`blob ${digest}: ${error.message}`, {
    code: error.code,
    status: error.status,
    retryable: error.retryable,
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
