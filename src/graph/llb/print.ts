// Definitions as text for people: one op a line in definition order, its name, and the lines of the ops it reads.

import type { pb } from "../../formats/proto/index.ts";
import { decodeDefinition } from "./definition.ts";

/** One line an op: `3 exec [2/3] RUN make <- 1 2`, the result marked with `*`. @throws INVALID_DEFINITION */
export function printDefinition(definition: pb.Definition): string {
  const { ops, head } = decodeDefinition(definition);
  const numbers = new Map<string, number>(ops.map(({ digest }, at) => [digest, at + 1]));
  const lines = ops.map(({ digest, op, metadata }) => {
    const inputs = op.inputs.map(
      (input) => `${numbers.get(input.digest)}${input.index === 0n ? "" : `:${input.index}`}`,
    );
    const parts = [
      `${digest === head?.digest ? "*" : " "}${numbers.get(digest)}`,
      op.op.case ?? "unknown",
      metadata.description["llb.customname"] ?? (op.op.case === "source" ? op.op.value.identifier : digest),
      ...(inputs.length === 0 ? [] : [`<- ${inputs.join(" ")}`]),
    ];
    return `${parts.join(" ")}\n`;
  });
  return lines.join("");
}
