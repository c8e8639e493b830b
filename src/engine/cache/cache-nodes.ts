// From collected keys to the records of a cache's graph: a key may be several records, one for each way that leads to it.

import { isDigest } from "../../base/index.ts";
import type { CacheGraph, GraphNode } from "./cache-graph.ts";
import type { CollectedKey } from "./collect-records.ts";

/** Adds a key's records; `known` has those of the keys that lead to it. */
export function nodesOf(
  graph: CacheGraph,
  key: CollectedKey,
  known: ReadonlyMap<string, readonly GraphNode[]>,
): GraphNode[] {
  if (key.paths.length === 0) return isDigest(key.keyId) ? [graph.add(key.keyId, [])] : [];
  return key.paths.flatMap(({ digest, inputs }) => {
    const links = inputs.map((list) =>
      list.flatMap(({ keyId, selector }) => (known.get(keyId) ?? []).map((source) => ({ source, selector }))),
    );
    return links.every((list) => list.length > 0) ? [graph.add(digest, links)] : [];
  });
}
