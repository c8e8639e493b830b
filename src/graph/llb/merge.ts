// Merge and diff ops: filesystems as sums and differences of others. Counterpart: moby/buildkit client/llb {merge,diff}.go.

import { create } from "@bufbuild/protobuf";
import { pb } from "../../formats/proto/index.ts";
import { Cap } from "./caps.ts";
import type { MarshalledVertex, Marshaller, OpOptions, Output } from "./vertex.ts";
import { Vertex } from "./vertex.ts";

/** Lays its inputs over each other, the last on top. */
export class MergeVertex extends Vertex {
  readonly #inputs: readonly Output[];

  /** At least two inputs. */
  constructor(inputs: readonly Output[], options: OpOptions) {
    super(options);
    if (inputs.length < 2) throw new Error("merge must have at least 2 inputs");
    this.#inputs = inputs;
    this.caps.add(Cap.mergeOp);
  }

  override inputs(): readonly Output[] {
    return this.#inputs;
  }

  override marshal(marshaller: Marshaller): MarshalledVertex {
    const op = create(pb.OpSchema);
    const inputs = this.#inputs.map((_, index) => create(pb.MergeInputSchema, { input: BigInt(index) }));
    op.inputs = this.#inputs.map((input) => input.toInput(marshaller));
    op.op = { case: "merge", value: create(pb.MergeOpSchema, { inputs }) };
    return this.finish(op, undefined);
  }
}

/** What `upper` adds to `lower`; either may be scratch. */
export class DiffVertex extends Vertex {
  readonly #lower: Output | undefined;
  readonly #upper: Output | undefined;

  constructor(lower: Output | undefined, upper: Output | undefined, options: OpOptions) {
    super(options);
    this.#lower = lower;
    this.#upper = upper;
    this.caps.add(Cap.diffOp);
  }

  override inputs(): readonly Output[] {
    return [this.#lower, this.#upper].filter((input) => input !== undefined);
  }

  override marshal(marshaller: Marshaller): MarshalledVertex {
    const op = create(pb.OpSchema);
    const add = (input: Output | undefined) =>
      input === undefined ? -1n : BigInt(op.inputs.push(input.toInput(marshaller)) - 1);
    const lower = create(pb.LowerDiffInputSchema, { input: add(this.#lower) });
    const upper = create(pb.UpperDiffInputSchema, { input: add(this.#upper) });
    op.op = { case: "diff", value: create(pb.DiffOpSchema, { lower, upper }) };
    return this.finish(op, undefined);
  }
}
