// Types as expressions: `string`, `list(number)`, `object({ a = string, b = optional(bool) })`.
// Counterpart: hashicorp/hcl ext/typeexpr.

import type { Expression } from "../hcl/expressions.ts";
import { between } from "../hcl/source.ts";
import type { Diagnostic, Range } from "../hcl/source.ts";
import { BOOL, DYNAMIC, NUMBER, STRING, objectOf, tupleOf } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import { callOf, keywordOf, listOfExpression } from "./static.ts";

const needs: Readonly<Record<string, string>> = {
  list: "one argument: the element type",
  set: "one argument: the element type",
  map: "one argument: the element type",
  object: "one argument: a map of attribute names to types",
  tuple: "one argument: a list of element types",
};

/** `dynamic`, and a diagnostic, where the expression is no type. */
export function readType(expression: Expression, diagnostics: Diagnostic[]): Type {
  const give = (detail: string, subject: Range): Type => {
    diagnostics.push({ summary: "Invalid type specification", detail, subject });
    return DYNAMIC;
  };
  const keyword = keywordOf(expression);
  switch (keyword) {
    case "bool":
      return BOOL;
    case "string":
      return STRING;
    case "number":
      return NUMBER;
    case "any":
      return DYNAMIC;
    case "":
      break;
    default: {
      const need = needs[keyword];
      if (need !== undefined) return give(`The ${keyword} type takes ${need}.`, expression.range);
      return give(`${JSON.stringify(keyword)} is not a type.`, expression.range);
    }
  }
  const call = callOf(expression);
  if (call === undefined) {
    return give("A type is bool, number, string, any, or a constructor like list(string).", expression.range);
  }
  const { name, args } = call;
  const argsRange = between(call.openRange, call.closeRange);
  if (["bool", "string", "number", "any"].includes(name))
    return give(`The type ${name} takes no arguments.`, argsRange);
  const need = needs[name];
  if (need !== undefined && args.length !== 1) {
    const subject = args.length > 1 ? between(args[1]!.range, args.at(-1)!.range) : argsRange;
    return give(`The ${name} type takes ${need}.`, subject);
  }
  const arg = args[0]!;
  switch (name) {
    case "list":
    case "set":
    case "map":
      return { kind: name, element: readType(arg, diagnostics) };
    case "object":
      return (
        objectType(arg, diagnostics) ?? give("The object type takes a map of attribute names to types.", arg.range)
      );
    case "tuple": {
      const items = listOfExpression(arg);
      if (items === undefined) return give("The tuple type takes a list of element types.", arg.range);
      return tupleOf(items.map((item) => readType(item, diagnostics)));
    }
    case "optional":
      return give('"optional" goes with attributes of objects only.', call.nameRange);
    default:
      return give(`${JSON.stringify(name)} is not a type constructor.`, expression.range);
  }
}

function objectType(expression: Expression, diagnostics: Diagnostic[]): Type | undefined {
  if (expression.kind !== "object") return undefined;
  const attributes = new Map<string, Type>();
  const optional = new Set<string>();
  const give = (detail: string, subject: Range) =>
    void diagnostics.push({ summary: "Invalid type specification", detail, subject });
  for (const { key, value } of expression.items) {
    const name = keywordOf(key);
    if (name === "") {
      give("Keys must be attribute names.", key.range);
      continue;
    }
    if (attributes.has(name)) {
      give("Attribute names must be unique.", key.range);
      continue;
    }
    let type = value;
    const call = callOf(value);
    if (call?.name === "optional") {
      const argsRange = between(call.openRange, call.closeRange);
      const [first, ...more] = call.args;
      if (first === undefined) {
        give('"optional" takes the attribute\'s type.', argsRange);
        continue;
      }
      if (more.length === 0) optional.add(name);
      else give('"optional" takes one argument only: the attribute\'s type.', argsRange);
      type = first;
    }
    attributes.set(name, readType(type, diagnostics));
  }
  return objectOf(attributes, optional);
}
