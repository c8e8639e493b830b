// COPY --link: trees on top of each other, as lists of layers. Nothing is copied. Counterpart: moby/buildkit ops/merge.go.

import type { pb } from "../../formats/proto/index.ts";
import type { CacheMap, Op, OpContext, Vertex } from "../../graph/solver/index.ts";
import { mergeDigest } from "./cache-digest.ts";
import type { OpHost } from "./op-host.ts";
import type { EngineResult } from "./results.ts";

export class MergeOp implements Op<EngineResult> {
  readonly heavy = false;
  readonly #vertex: Vertex;
  readonly #op: pb.MergeOp;
  readonly #host: OpHost;

  constructor(vertex: Vertex, op: pb.MergeOp, host: OpHost) {
    this.#vertex = vertex;
    this.#op = op;
    this.#host = host;
  }

  cacheMap(): Promise<CacheMap<EngineResult>> {
    const { digest, deps } = mergeDigest(this.#op);
    return Promise.resolve({ digest, deps: this.#host.depsOf(deps) });
  }

  async exec(inputs: readonly EngineResult[], context: OpContext): Promise<EngineResult[]> {
    await using stack = new AsyncDisposableStack();
    const refs = [];
    for (const { input } of this.#op.inputs) {
      const result = inputs[Number(input)];
      if (result !== undefined) refs.push(await this.#host.asRef(result, stack, context.signal));
    }
    return [{ kind: "ref", ref: this.#host.refs.merge(refs, { description: this.#vertex.name }) }];
  }
}
