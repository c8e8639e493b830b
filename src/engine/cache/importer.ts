// Imports a cache: its index is read, its records join the solver's look-up for as long as the build lasts. No layer is fetched.
// Whatever is wrong with a cache is a miss and a warning. Counterpart: moby/buildkit cache/remotecache/import.go.

import type { Descriptor } from "../../formats/oci/index.ts";
import { MemoryKeyStorage } from "../../graph/solver/index.ts";
import type { ReadCache } from "./cache-manifest.ts";
import type { RemoteResults } from "./remote-results.ts";

/** A cache whose index was read. */
export interface OpenedCache {
  readonly cache: ReadCache;
  /** Where its layers are, for the ref store's opener. */
  readonly remote: string;
  /** Whether a blob can be there; absent where only fetching it would tell. */
  readonly hasBlob?: (blob: Descriptor) => boolean;
}

export interface ImportedKeys extends Disposable {
  readonly keys: MemoryKeyStorage;
  /** Results that are left out because a blob is missing or torn. */
  readonly missing: number;
}

/** The records of a cache as keys for the solver. Dispose to forget its results. */
export function importKeys({ cache, remote, hasBlob }: OpenedCache, results: RemoteResults): ImportedKeys {
  const keys = new MemoryKeyStorage();
  const made: string[] = [];
  const there = new Map<Descriptor, boolean>();
  const isThere = (blob: Descriptor): boolean => {
    let known = there.get(blob);
    if (known === undefined) there.set(blob, (known = hasBlob?.(blob) ?? true));
    return known;
  };
  let missing = 0;
  const ids = cache.graph.ids();
  for (const [node, id] of ids) {
    for (const [input, links] of node.inputs.entries()) {
      for (const { source, selector } of links) {
        keys.addLink(ids.get(source)!, { input, digest: node.digest, selector }, id);
      }
    }
    if (node.result === undefined) continue;
    const result = node.result.blobs.every(isThere) ? results.add(node.result.blobs, remote) : undefined;
    if (result === undefined) missing++;
    else {
      keys.addResult(id, { id: result, createdAtMs: node.result.createdAtMs });
      made.push(result);
    }
  }
  return {
    keys,
    missing,
    [Symbol.dispose]: () => {
      for (const id of made) results.remove(id);
    },
  };
}
