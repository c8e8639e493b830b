// What one tree adds to another, to be merged onto something else. Where the upper one was made from the lower one it is a shorter list of
// layers, and nothing is copied. Counterpart: moby/buildkit solver/llbsolver/ops/diff.go.

import { BuildError } from "../../base/index.ts";
import type { pb } from "../../formats/proto/index.ts";
import type { CacheMap, Op, OpContext, Vertex } from "../../graph/solver/index.ts";
import { diffDigest } from "./cache-digest.ts";
import type { OpHost } from "./op-host.ts";
import type { EngineResult } from "./results.ts";

export class DiffOp implements Op<EngineResult> {
  readonly heavy = false;
  readonly #vertex: Vertex;
  readonly #op: pb.DiffOp;
  readonly #host: OpHost;

  constructor(vertex: Vertex, op: pb.DiffOp, host: OpHost) {
    this.#vertex = vertex;
    this.#op = op;
    this.#host = host;
  }

  cacheMap(): Promise<CacheMap<EngineResult>> {
    const { digest, deps } = diffDigest(this.#op);
    return Promise.resolve({ digest, deps: this.#host.depsOf(deps) });
  }

  async exec(inputs: readonly EngineResult[], context: OpContext): Promise<EngineResult[]> {
    await using stack = new AsyncDisposableStack();
    const { refs } = this.#host;
    const refOf = async (input: bigint | undefined) => {
      const result = input === undefined || input === -1n ? undefined : inputs[Number(input)];
      if (result !== undefined) return this.#host.asRef(result, stack, context.signal);
      const scratch = refs.scratch();
      stack.defer(() => refs.release(scratch));
      return scratch;
    };
    const lower = await refOf(this.#op.lower?.input);
    const upper = await refOf(this.#op.upper?.input);
    const ref = refs.above(lower, upper, { description: this.#vertex.name });
    if (ref === undefined) {
      throw new BuildError(
        "the difference of trees that were not made from one another is not supported by this builder yet",
        {
          code: "UNSUPPORTED",
          status: "Unimplemented",
          hint: "diff a state with one that it was made from",
        },
      );
    }
    return [{ kind: "ref", ref }];
  }
}
