// Which file's folder the paths of a target are relative to, where paths are relative to their file.
// Counterpart: docker/buildx bake/bake.go SetBlockSource.

import { traversalOf } from "../evaluate/static.ts";
import type { Block } from "../hcl/body.ts";
import type { Expression } from "../hcl/expressions.ts";
import { folderOf } from "./paths.ts";
import type { Target } from "./target.ts";

/** Notes which file's folder a target's paths are relative to, where files say so. */
export function noteBases(target: Target, block: Block): void {
  const base = folderOf(block.range.filename) ?? "";
  const context = block.body
    .partialContent({ attributes: [{ name: "context" }], blocks: [] }, [])
    .attributes.get("context");
  const ref = context === undefined ? undefined : contextReference(context.expression);
  target.bases = {
    default: base,
    ...(context === undefined ? {} : { context: base }),
    ...(ref === undefined ? {} : { contextRef: ref }),
    ...(target.contexts === undefined
      ? {}
      : { contexts: new Map([...target.contexts.keys()].map((name) => [name, base])) }),
  };
}

/** The target whose `context` an expression is. */
function contextReference(expression: Expression): string | undefined {
  const steps = traversalOf(expression);
  const [root, target, field] = steps ?? [];
  if (steps?.length !== 3 || root?.kind !== "root" || root.name !== "target") return undefined;
  if (field?.kind !== "attribute" || field.name !== "context") return undefined;
  return target?.kind === "attribute"
    ? target.name
    : target?.kind === "index" && typeof target.key.raw === "string"
      ? target.key.raw
      : undefined;
}
