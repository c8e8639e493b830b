// Results of vertexes in the store of refs: what the solver's cache records point at.

import type { ResultStore } from "../../graph/solver/index.ts";
import type { RefStore } from "../../storage/refs/index.ts";
import type { EngineResult } from "../ops/index.ts";

export class EngineResults implements ResultStore<EngineResult> {
  readonly #refs: RefStore;

  constructor(refs: RefStore) {
    this.#refs = refs;
  }

  save(result: EngineResult): string {
    if (result.kind !== "ref") throw new Error("a local folder is never recorded");
    return result.ref.id;
  }

  load(id: string): Promise<EngineResult | undefined> {
    const ref = this.#refs.load(id);
    return Promise.resolve(ref === undefined ? undefined : { kind: "ref", ref });
  }

  exists(id: string): boolean {
    return this.#refs.exists(id);
  }

  release(result: EngineResult): Promise<void> {
    if (result.kind === "ref") this.#refs.release(result.ref);
    return Promise.resolve();
  }
}
