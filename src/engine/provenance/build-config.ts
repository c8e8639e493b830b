// The steps of a definition as provenance of mode max lists them, and where they stand in the user's files.
// Counterpart: moby/buildkit solver/llbsolver/provenance/buildconfig.go.

import { fromBinary } from "@bufbuild/protobuf";
import { digestOf } from "../../base/index.ts";
import { pb } from "../../formats/proto/index.ts";
import { messageJson, opJson } from "./op-json.ts";

/** Steps by position; inputs before what reads them. */
export interface BuildSteps {
  readonly llbDefinition: readonly unknown[];
  /** Position of each op's digest. */
  readonly indexes: ReadonlyMap<string, number>;
}

/** The steps of a definition; undefined for an empty one. @throws when an input is missing. */
export function buildSteps(definition: pb.Definition | undefined): BuildSteps | undefined {
  if (definition === undefined || definition.def.length === 0) return undefined;
  const ops = new Map(definition.def.map((bytes) => [digestOf(bytes) as string, fromBinary(pb.OpSchema, bytes)]));
  const indexes = new Map<string, number>();
  visitInputsFirst(ops, digestOf(definition.def.at(-1)!), (digest) => indexes.set(digest, indexes.size));
  const llbDefinition = Array.from(indexes, ([digest, index]) => {
    const op = ops.get(digest)!;
    const inputs = op.inputs.map((input) => `step${indexes.get(input.digest)!}:${input.index}`);
    return { id: `step${index}`, op: opJson(op), inputs: inputs.length === 0 ? undefined : inputs };
  });
  return { llbDefinition, indexes };
}

/** BuildKit's `buildConfig`. */
export function buildConfigJson(steps: BuildSteps | undefined): unknown {
  if (steps === undefined) return {};
  return { llbDefinition: steps.llbDefinition, digestMapping: mappingJson(steps) };
}

/** BuildKit's `source`: files, and where in them each step stands; undefined where nothing is known. */
export function sourceJson(definition: pb.Definition, steps: BuildSteps | undefined): unknown {
  const source = definition.Source;
  if (source === undefined || source.infos.length === 0) return undefined;
  const locations = new Map<string, unknown>();
  for (const [digest, found] of Object.entries(source.locations)) {
    const index = steps?.indexes.get(digest);
    if (index !== undefined) locations.set(`step${index}`, messageJson(found));
  }
  return {
    locations: locations.size === 0 ? undefined : locations,
    infos: source.infos.map(({ filename, language, data, definition: from }) => {
      const own = buildSteps(from);
      return {
        filename: filename || undefined,
        language: language || undefined,
        data: data.length === 0 ? undefined : data,
        llbDefinition: own?.llbDefinition,
        digestMapping: own === undefined ? undefined : mappingJson(own),
      };
    }),
  };
}

function mappingJson({ indexes }: BuildSteps): Map<string, string> {
  return new Map(Array.from(indexes, ([digest, index]) => [digest, `step${index}`]));
}

function visitInputsFirst(ops: ReadonlyMap<string, pb.Op>, root: string, visit: (digest: string) => void): void {
  const seen = new Set<string>();
  // An explicit stack: definitions may be deep.
  const stack: { digest: string; next: number }[] = [{ digest: root, next: 0 }];
  seen.add(root);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const op = ops.get(top.digest);
    if (op === undefined) throw new Error(`failed to find input ${top.digest}`);
    const input = op.inputs[top.next++]?.digest;
    if (input === undefined) {
      stack.pop();
      visit(top.digest);
    } else if (!seen.has(input)) {
      seen.add(input);
      stack.push({ digest: input, next: 0 });
    }
  }
}
