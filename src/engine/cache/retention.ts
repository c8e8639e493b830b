// Keeps a cache within its bounds: results go, least recently used first, until its blobs fit; then the records that lead to none.
// When a result was last used is an annotation of its top layer in the cache's manifest, so that every writer can tell.
// Differs: BuildKit's caches only grow, or are reset.

import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import { encodeCacheConfig, MAX_CACHE_CONFIG_BYTES } from "./cache-config.ts";
import type { CacheGraph, GraphNode } from "./cache-graph.ts";

const USED = "dev.slipway.cache.usedat";
/** A use is noted at most this often: an export that changes nothing else then writes nothing. */
const NOTE_EVERY_MS = 60 * 60 * 1000;
/** What manifest and config may add up to, and what a mass of small files costs beyond its bytes. */
const OVERHEAD_BYTES = 64 * 1024;

export interface RetentionOptions {
  readonly maxSizeBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
  readonly nowMs: number;
}

/** Times of last use of layers, from descriptors of an earlier manifest, brought up to date for what this build used. */
export class LayerUses {
  readonly #usedMs = new Map<Digest, number>();
  readonly #nowMs: number;

  constructor(layers: Iterable<Descriptor>, nowMs: number) {
    this.#nowMs = nowMs;
    for (const { digest, annotations } of layers) {
      const usedMs = Date.parse(annotations?.[USED] ?? "");
      // A time in the future would never be evicted.
      if (!Number.isNaN(usedMs)) this.#usedMs.set(digest, Math.min(usedMs, nowMs));
    }
  }

  use(digest: Digest): void {
    if (this.#nowMs - (this.#usedMs.get(digest) ?? 0) >= NOTE_EVERY_MS) this.#usedMs.set(digest, this.#nowMs);
  }

  usedMs(digest: Digest): number {
    return this.#usedMs.get(digest) ?? 0;
  }

  /** The descriptor with its time of last use. */
  annotated(layer: Descriptor): Descriptor {
    const usedMs = this.#usedMs.get(layer.digest);
    if (usedMs === undefined) return layer;
    return { ...layer, annotations: { ...layer.annotations, [USED]: new Date(usedMs).toISOString() } };
  }
}

/** Drops results from `graph` until it is within its bounds. What was used last stays longest; returns how many went. */
export function retain(graph: CacheGraph, uses: LayerUses, options: RetentionOptions): number {
  const { maxSizeBytes, maxAgeMs, nowMs } = options;
  const usedMs = (node: GraphNode) =>
    Math.max(0, ...(node.result?.blobs ?? []).slice(-1).map(({ digest }) => uses.usedMs(digest)));
  const oldestFirst = [...graph.nodes]
    .filter(({ result }) => result !== undefined)
    .map((node) => ({ node, usedMs: usedMs(node) }))
    .sort((a, b) => a.usedMs - b.usedMs || (b.node.result?.blobs.length ?? 0) - (a.node.result?.blobs.length ?? 0));
  const holders = new Map<Digest, { size: number; count: number }>();
  let total = OVERHEAD_BYTES;
  for (const { node } of oldestFirst) {
    for (const { digest, size } of node.result!.blobs) {
      const known = holders.get(digest);
      if (known !== undefined) known.count++;
      else {
        holders.set(digest, { size, count: 1 });
        total += size;
      }
    }
  }
  let dropped = 0;
  const drop = (node: GraphNode) => {
    for (const { digest } of node.result!.blobs) {
      const holder = holders.get(digest)!;
      if (--holder.count === 0) total -= holder.size;
    }
    node.result = undefined;
    dropped++;
  };
  let at = 0;
  for (; at < oldestFirst.length; at++) {
    const each = oldestFirst[at]!;
    const isOld = maxAgeMs !== undefined && nowMs - each.usedMs > maxAgeMs;
    const isTooMuch = maxSizeBytes !== undefined && total > maxSizeBytes;
    if (!isOld && !isTooMuch) break;
    drop(each.node);
  }
  graph.prune();
  while (at < oldestFirst.length && encodeCacheConfig(graph.toConfig().config).byteLength > MAX_CACHE_CONFIG_BYTES) {
    const next = Math.min(oldestFirst.length, at + Math.ceil((oldestFirst.length - at) / 10));
    for (; at < next; at++) drop(oldestFirst[at]!.node);
    graph.prune();
  }
  return dropped;
}
