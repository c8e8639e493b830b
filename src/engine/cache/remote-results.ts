// Results that an imported cache has: known by their blobs, turned into refs when the solver takes one. Nothing is fetched here.
// A blob found missing or damaged takes away every result that needs it.
// Counterpart: moby/buildkit cache/remotecache/v1/cachestorage.go cacheResultStorage.

import { digestOf, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { Ref, RefStore } from "../../storage/refs/index.ts";

const PREFIX = "remote:";
const DIFF_ID = "containerd.io/uncompressed";

interface RemoteResult {
  /** How many imports have it. */
  holders: number;
  readonly blobs: readonly Descriptor[];
  /** What the ref store's opener takes. */
  readonly remote: string;
}

export class RemoteResults {
  readonly #refs: RefStore;
  readonly #results = new Map<string, RemoteResult>();
  readonly #lost = new Set<Digest>();

  constructor(refs: RefStore) {
    this.#refs = refs;
  }

  static isRemote(id: string): boolean {
    return id.startsWith(PREFIX);
  }

  /**
   * Makes a result known until it is removed as often as it was added; returns its id. Undefined for one whose layers do not say what
   * they unpack to.
   */
  add(blobs: readonly Descriptor[], remote: string): string | undefined {
    if (!blobs.every((blob) => diffIdOf(blob) !== undefined)) return undefined;
    const id = `${PREFIX}${digestOf(`${remote}\n${blobs.map(({ digest }) => digest).join("\n")}`)}`;
    const known = this.#results.get(id);
    if (known === undefined) this.#results.set(id, { blobs, remote, holders: 1 });
    else known.holders++;
    return id;
  }

  remove(id: string): void {
    const known = this.#results.get(id);
    if (known !== undefined && --known.holders === 0) this.#results.delete(id);
  }

  exists(id: string): boolean {
    const result = this.#results.get(id);
    return result !== undefined && !result.blobs.some(({ digest }) => this.#lost.has(digest));
  }

  /** The blobs of a result that exists, and where they are. */
  get(id: string): { readonly blobs: readonly Descriptor[]; readonly remote: string } | undefined {
    return this.exists(id) ? this.#results.get(id) : undefined;
  }

  /** The result as a ref, which the caller releases; undefined when it is gone. */
  load(id: string): Ref | undefined {
    const result = this.#results.get(id);
    if (result === undefined || !this.exists(id)) return undefined;
    const layers = result.blobs.map((descriptor) => ({ descriptor, diffId: diffIdOf(descriptor)! }));
    const created = result.blobs.at(-1)?.annotations?.["buildkit/createdat"];
    return this.#refs.fromImage(layers, result.remote, {
      description: `imported from a cache${created === undefined ? "" : `, made ${created}`}`,
    });
  }

  /** Tells that a blob can't be had: results that need it are gone, in every import of this process. */
  lose(digest: Digest): void {
    this.#lost.add(digest);
  }

  isLost(digest: Digest): boolean {
    return this.#lost.has(digest);
  }
}

function diffIdOf({ annotations }: Descriptor): Digest | undefined {
  const text = annotations?.[DIFF_ID];
  return text !== undefined && isDigest(text) ? text : undefined;
}
