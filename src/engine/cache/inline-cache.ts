// The inline cache: an image's config has the records of the steps whose layers the image is made of. Nothing is exported besides.
// Counterpart: moby/buildkit cache/remotecache/inline/inline.go.

import { isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { CacheKeyStorage } from "../../graph/solver/index.ts";
import type { LayerId, RefStore } from "../../storage/refs/index.ts";
import { encodeCacheRecords } from "./cache-config.ts";
import type { CacheRecord } from "./cache-config.ts";
import { CacheGraph } from "./cache-graph.ts";
import type { GraphNode } from "./cache-graph.ts";
import { nodesOf } from "./cache-nodes.ts";
import { collectRecords } from "./collect-records.ts";

export interface InlineCacheInput {
  readonly storage: CacheKeyStorage;
  readonly refs: RefStore;
  /** Keys of the image's result. */
  readonly ids: Iterable<string>;
  /** Layers of the image, bottom first, and their blobs in the same order. */
  readonly layers: readonly LayerId[];
  readonly blobs: readonly Digest[];
}

/** What goes into the config as `moby.buildkit.cache.v0`: base64 of the records; undefined where no step's layers are in the image. */
export function inlineCache({ storage, refs, ids, layers, blobs }: InlineCacheInput): string | undefined {
  const places = new Map(layers.map((layer, at) => [layer, at]));
  const graph = new CacheGraph();
  const nodes = new Map<string, GraphNode[]>();
  const chains = new Map<GraphNode, readonly number[]>();
  for (const key of collectRecords(storage, ids)) {
    const made = nodesOf(graph, key, nodes);
    nodes.set(key.keyId, made);
    if (key.paths.length === 0) continue;
    for (const { id, createdAtMs } of key.results) {
      const chain = (refs.rows.ref(id)?.layers ?? []).map((layer) => places.get(layer));
      if (chain.length === 0 || !chain.every((at) => at !== undefined)) continue;
      for (const node of made) {
        chains.set(node, chain);
        graph.setResult(node, { blobs: [], createdAtMs });
      }
      break;
    }
  }
  graph.prune();
  if (graph.nodes.size === 0 || blobs.length !== layers.length) return undefined;
  const order = [...graph.nodes].filter(({ digest }) => isDigest(digest));
  const indexOf = new Map(order.map((node, at) => [node, at]));
  const records = order.map((node): CacheRecord => {
    const chain = chains.get(node);
    const inOrder = chain?.every((place, at) => place === at) === true;
    return {
      digest: node.digest,
      inputs: node.inputs.map((links) =>
        links.map(({ source, selector }) => ({ selector, link: indexOf.get(source)! })),
      ),
      results:
        chain === undefined || node.result === undefined
          ? []
          : [{ chain, createdAtMs: node.result.createdAtMs, ...(inOrder ? { top: chain.length - 1 } : {}) }],
    };
  });
  return Buffer.from(encodeCacheRecords(records)).toString("base64");
}
