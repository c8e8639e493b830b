// A given definition as the start of a graph: its ops keep their bytes, so their digests stay. This is how frontend inputs
// (the result of another frontend, say) become states. Counterpart: moby/buildkit client/llb/definition.go.

import { create } from "@bufbuild/protobuf";
import type { pb as Pb } from "../../formats/proto/index.ts";
import { pb } from "../../formats/proto/index.ts";
import { decodeDefinition } from "./definition.ts";
import type { DecodedOp } from "./definition.ts";
import type { Platform } from "./platform.ts";
import { State } from "./state.ts";
import type { LineSpan, MarshalledVertex, Output, SourceLocation, SourceMapFile } from "./vertex.ts";
import { Vertex, VertexOutput } from "./vertex.ts";

/** The result of a definition as a state with default settings. @throws INVALID_DEFINITION */
export function stateOfDefinition(definition: Pb.Definition): State {
  const { ops, head, sourceMap } = decodeDefinition(definition);
  if (head === undefined) return State.scratch();
  const files = (sourceMap?.infos ?? []).map((info): SourceMapFile => ({
    filename: info.filename,
    language: info.language,
    data: info.data,
    definition: info.definition,
  }));
  const vertexes = new Map<string, RawVertex>();
  for (const op of ops) {
    const inputs = op.op.inputs.map(({ digest, index }) => outputOf(vertexes.get(digest)!, Number(index)));
    const locations = (sourceMap?.locations[op.digest]?.locations ?? []).flatMap((location): SourceLocation[] => {
      const file = files[location.sourceIndex];
      return file === undefined ? [] : [{ file, lines: location.ranges.map(toSpan) }];
    });
    vertexes.set(op.digest, new RawVertex(op, inputs, locations));
  }
  return State.of(outputOf(vertexes.get(head.digest)!, head.index));
}

function toSpan(range: Pb.Range): LineSpan {
  return { start: range.start?.line ?? 0, end: range.end?.line ?? 0 };
}

function outputOf(vertex: RawVertex, index: number): Output {
  return new VertexOutput(vertex, () => index, vertex.platform);
}

class RawVertex extends Vertex {
  readonly #op: DecodedOp;
  readonly #inputs: readonly Output[];
  readonly #locations: readonly SourceLocation[];

  constructor(op: DecodedOp, inputs: readonly Output[], locations: readonly SourceLocation[]) {
    super({});
    this.#op = op;
    this.#inputs = inputs;
    this.#locations = locations;
  }

  get platform(): Platform | undefined {
    const platform = this.#op.op.platform;
    if (platform === undefined) return undefined;
    return {
      os: platform.OS,
      architecture: platform.Architecture,
      ...(platform.Variant === "" ? {} : { variant: platform.Variant }),
      ...(platform.OSVersion === "" ? {} : { osVersion: platform.OSVersion }),
      ...(platform.OSFeatures.length === 0 ? {} : { osFeatures: platform.OSFeatures }),
    };
  }

  override inputs(): readonly Output[] {
    return this.#inputs;
  }

  override marshal(): MarshalledVertex {
    const { digest, bytes, metadata } = this.#op;
    return { digest, bytes, metadata: create(pb.OpMetadataSchema, metadata), locations: this.#locations };
  }
}
