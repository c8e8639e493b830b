// The records of a build as its cache keys tell them: from the keys of what was built back to everything that leads there.
// Counterpart: moby/buildkit solver/exporter.go.

import { isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { CacheKeyStorage, CacheResult } from "../../graph/solver/index.ts";

/** One way to a key: an op's output, and for each input the keys that lead to it. */
export interface RecordPath {
  readonly digest: Digest;
  readonly inputs: readonly (readonly { readonly keyId: string; readonly selector: string }[])[];
}

export interface CollectedKey {
  readonly keyId: string;
  /** Empty for a root, whose id is its digest. */
  readonly paths: readonly RecordPath[];
  /** Newest first. */
  readonly results: readonly CacheResult[];
}

/** Keys that lead to `ids`, and these, each after those that lead to it. */
export function collectRecords(storage: CacheKeyStorage, ids: Iterable<string>): CollectedKey[] {
  const collected: CollectedKey[] = [];
  const state = new Map<string, "open" | "done">();
  const paths = new Map<string, RecordPath[]>();
  for (const start of ids) {
    const stack = [start];
    while (stack.length > 0) {
      const id = stack.at(-1)!;
      const known = state.get(id);
      if (known !== undefined) {
        stack.pop();
        if (known === "open") {
          collected.push({ keyId: id, paths: paths.get(id)!, results: storage.results(id) });
          state.set(id, "done");
        }
        continue;
      }
      state.set(id, "open");
      const found = pathsTo(storage, id);
      paths.set(id, found);
      for (const { inputs } of found) {
        for (const links of inputs) for (const { keyId } of links) if (!state.has(keyId)) stack.push(keyId);
      }
    }
  }
  return collected;
}

function pathsTo(storage: CacheKeyStorage, id: string): RecordPath[] {
  const byDigest = new Map<string, { keyId: string; selector: string }[][]>();
  for (const { id: keyId, link } of storage.backlinks(id)) {
    let inputs = byDigest.get(link.digest);
    if (inputs === undefined) byDigest.set(link.digest, (inputs = []));
    while (inputs.length <= link.input) inputs.push([]);
    inputs[link.input]!.push({ keyId, selector: link.selector });
  }
  return [...byDigest].flatMap(([digest, inputs]) =>
    isDigest(digest) && inputs.every((links) => links.length > 0) ? [{ digest, inputs }] : [],
  );
}
