// Results of vertexes in the store of refs, and those that imported caches have: what the solver's cache records point at.

import type { ResultStore } from "../../graph/solver/index.ts";
import type { RefStore } from "../../storage/refs/index.ts";
import { RemoteResults } from "../cache/index.ts";
import type { EngineResult } from "../ops/index.ts";

export class EngineResults implements ResultStore<EngineResult> {
  readonly #refs: RefStore;
  readonly #remote: RemoteResults;

  constructor(refs: RefStore, remote: RemoteResults) {
    this.#refs = refs;
    this.#remote = remote;
  }

  save(result: EngineResult): string {
    if (result.kind !== "ref") throw new Error("a local folder is never recorded");
    return result.ref.id;
  }

  load(id: string): Promise<EngineResult | undefined> {
    const ref = RemoteResults.isRemote(id) ? this.#remote.load(id) : this.#refs.load(id);
    return Promise.resolve(ref === undefined ? undefined : { kind: "ref", ref });
  }

  exists(id: string): boolean {
    return RemoteResults.isRemote(id) ? this.#remote.exists(id) : this.#refs.exists(id);
  }

  release(result: EngineResult): Promise<void> {
    if (result.kind === "ref") this.#refs.release(result.ref);
    else result.folder.release?.();
    return Promise.resolve();
  }
}
