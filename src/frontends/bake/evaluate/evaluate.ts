// Evaluates expressions. A part that fails adds its diagnostics and counts as unknown, so that one run finds many mistakes.
// Counterpart: hashicorp/hcl hclsyntax/expression.go, expression_template.go.

import type { Expression, Step } from "../hcl/expressions.ts";
import { startRange } from "../hcl/expressions.ts";
import type { Diagnostic, Range } from "../hcl/source.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { findConversion, unify } from "../values/conversions.ts";
import { BOOL, DYNAMIC, NUMBER, STRING, equalTypes, isSequence, listOf, typeName } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import {
  UNKNOWN,
  asBool,
  asNumber,
  asString,
  boolValue,
  canIterate,
  elementsOf,
  isKnown,
  isNull,
  listValue,
  numberValue,
  objectValue,
  stringValue,
  tupleValue,
  unknownOf,
} from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { callFunction } from "./call.ts";
import { evaluateFor } from "./for.ts";
import { attributeValue, indexValue } from "./index-value.ts";
import { jsonTemplate } from "./json-template.ts";
import { applyOperator, operatorTypes } from "./operators.ts";
import { FunctionError } from "./scope.ts";
import type { Scope } from "./scope.ts";
import { keywordOf } from "./static.ts";

/** Evaluates a part of an expression, or a whole one. */
export type Evaluate = (expression: Expression, scope: Scope | undefined, diagnostics: Diagnostic[]) => Value;

/** Without a scope nothing can be named, and strings of JSON files are taken as they are. */
export const evaluate: Evaluate = (expression, scope, diagnostics) => {
  const tell = (summary: string, detail: string, subject: Range) => void diagnostics.push({ summary, detail, subject });
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "scope":
      return scopeTraversal(expression.steps, scope, diagnostics);
    case "relative":
      return follow(evaluate(expression.source, scope, diagnostics), expression.steps, diagnostics);
    case "call":
      return callFunction(expression, scope, diagnostics, evaluate);
    case "conditional":
      return conditional(expression, scope, diagnostics);
    case "index": {
      const collection = evaluate(expression.collection, scope, diagnostics);
      const key = evaluate(expression.key, scope, diagnostics);
      return indexValue(collection, key, expression.bracketRange, diagnostics);
    }
    case "tuple":
      return tupleValue(expression.items.map((item) => evaluate(item, scope, diagnostics)));
    case "object":
      return object(expression, scope, diagnostics);
    case "object-key": {
      const { wrapped, forced } = expression;
      if (!forced && wrapped.kind === "scope" && wrapped.steps.length > 1) {
        const detail = "Put a reference in parentheses, or a name with dots in quotes.";
        tell("Ambiguous attribute key", detail, expression.range);
        return UNKNOWN;
      }
      const name = forced ? "" : keywordOf(wrapped);
      return name === "" ? evaluate(wrapped, scope, diagnostics) : stringValue(name);
    }
    case "for":
      return evaluateFor(expression, scope, diagnostics, evaluate);
    case "splat":
      return splat(expression, scope, diagnostics);
    case "splat-item":
      return scope?.splatItem(expression) ?? UNKNOWN;
    case "template":
      return template(expression, scope, diagnostics);
    case "template-join":
      return templateJoin(expression, scope, diagnostics);
    case "template-wrap":
      return evaluate(expression.wrapped, scope, diagnostics);
    case "parentheses":
      return evaluate(expression.inner, scope, diagnostics);
    case "binary":
      return binary(expression, scope, diagnostics);
    case "unary": {
      const before = diagnostics.length;
      const given = evaluate(expression.operand, scope, diagnostics);
      const type = expression.operator === "-" ? NUMBER : BOOL;
      let operand = given;
      try {
        operand = convertValue(given, type);
      } catch (error) {
        const detail = `Unsuitable value for unary operand: ${conversionMessage(error)}.`;
        tell("Invalid operand", detail, expression.operand.range);
      }
      if (diagnostics.length > before) return unknownOf(type);
      if (isNull(operand)) {
        tell("Operation failed", "Error during operation: argument must not be null.", expression.range);
        return unknownOf(type);
      }
      if (!isKnown(operand)) return unknownOf(type);
      return expression.operator === "-" ? numberValue(asNumber(operand).negate()) : boolValue(!asBool(operand));
    }
    case "syntax-error":
      diagnostics.push(...expression.diagnostics);
      return UNKNOWN;
    case "json":
      return json(expression, scope, diagnostics);
  }
};

function conversionMessage(error: unknown): string {
  if (error instanceof ConversionError) return error.message;
  throw error;
}

function scopeTraversal(steps: readonly Step[], scope: Scope | undefined, diagnostics: Diagnostic[]): Value {
  const [root, ...rest] = steps;
  if (root?.kind !== "root") throw new Error("a scope traversal starts at a root");
  if (scope === undefined) {
    diagnostics.push({
      summary: "Variables not allowed",
      detail: "Variables may not be used here.",
      subject: root.range,
    });
    return UNKNOWN;
  }
  const value = scope.lookup(root.name);
  if (value === undefined) {
    const detail = `There is no variable named ${JSON.stringify(root.name)}.`;
    diagnostics.push({ summary: "Unknown variable", detail, subject: root.range });
    return UNKNOWN;
  }
  return follow(value, rest, diagnostics);
}

/** Stops at the first step that fails. */
function follow(from: Value, steps: readonly Step[], diagnostics: Diagnostic[]): Value {
  let value = from;
  for (const step of steps) {
    const before = diagnostics.length;
    value =
      step.kind === "index"
        ? indexValue(value, step.key, step.range, diagnostics)
        : attributeValue(value, step.name, step.range, diagnostics);
    if (diagnostics.length > before) return UNKNOWN;
  }
  return value;
}

function conditional(
  expression: Extract<Expression, { kind: "conditional" }>,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
): Value {
  const branches = [expression.whenTrue, expression.whenFalse].map((branch) => {
    const found: Diagnostic[] = [];
    return { branch, value: evaluate(branch, scope, found), found };
  });
  const [ifTrue, ifFalse] = branches as [(typeof branches)[0], (typeof branches)[0]];
  const tell = (summary: string, detail: string, subject: Range) => void diagnostics.push({ summary, detail, subject });
  const bareNull = ({ value }: { value: Value }) => isNull(value) && value.type.kind === "dynamic";
  let type: Type | undefined;
  if (bareNull(ifTrue)) type = ifFalse.value.type;
  else if (bareNull(ifFalse)) type = ifTrue.value.type;
  else if (branches.some(({ value }) => value.type.kind === "dynamic")) type = DYNAMIC;
  else
    type = unify(
      branches.map(({ value }) => value.type),
      true,
    )?.type;
  if (type === undefined) {
    const detail = `The true and false results must have one type, but are ${typeName(ifTrue.value.type)} and ${typeName(ifFalse.value.type)}.`;
    tell("Inconsistent conditional result types", detail, {
      ...expression.whenTrue.range,
      end: expression.whenFalse.range.end,
    });
    return UNKNOWN;
  }
  const condition = evaluate(expression.condition, scope, diagnostics);
  if (isNull(condition)) {
    tell("Null condition", "The condition is null; it must be true or false.", expression.condition.range);
    return unknownOf(type);
  }
  if (!isKnown(condition)) return unknownOf(type);
  let chosen = ifFalse;
  try {
    if (asBool(convertValue(condition, BOOL))) chosen = ifTrue;
  } catch (error) {
    conversionMessage(error);
    tell("Incorrect condition type", "The condition must be a bool.", expression.condition.range);
    return unknownOf(type);
  }
  diagnostics.push(...chosen.found);
  try {
    if (type.kind === "dynamic" || equalTypes(chosen.value.type, type)) return chosen.value;
    return findConversion(chosen.value.type, type, true)?.(chosen.value) ?? chosen.value;
  } catch (error) {
    const which = chosen === ifTrue ? "true" : "false";
    const detail = `The ${which} result has the wrong type: ${conversionMessage(error)}.`;
    tell("Inconsistent conditional result types", detail, chosen.branch.range);
    return unknownOf(type);
  }
}

function object(
  expression: Extract<Expression, { kind: "object" }>,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
): Value {
  const entries = new Map<string, Value>();
  let known = true;
  for (const item of expression.items) {
    const before = diagnostics.length;
    const key = evaluate(item.key, scope, diagnostics);
    const keyFailed = diagnostics.length > before;
    const value = evaluate(item.value, scope, diagnostics);
    const name = keyFailed ? undefined : keyText(key, item, diagnostics);
    if (name === undefined) known = false;
    else entries.set(name, value);
  }
  return known ? objectValue(entries) : UNKNOWN;
}

function keyText(
  key: Value,
  item: { key: Expression; value: Expression },
  diagnostics: Diagnostic[],
): string | undefined {
  if (isNull(key)) {
    diagnostics.push({ summary: "Null value as key", detail: "A key can't be null.", subject: item.value.range });
    return undefined;
  }
  try {
    const text = convertValue(key, STRING);
    return isKnown(text) ? asString(text) : undefined;
  } catch (error) {
    const detail = `This value can't be a key: ${conversionMessage(error)}.`;
    diagnostics.push({ summary: "Incorrect key type", detail, subject: item.key.range });
    return undefined;
  }
}

function splat(
  expression: Extract<Expression, { kind: "splat" }>,
  outer: Scope | undefined,
  diagnostics: Diagnostic[],
): Value {
  const before = diagnostics.length;
  let source = evaluate(expression.source, outer, diagnostics);
  if (diagnostics.length > before) return UNKNOWN;
  const upgrade = !isSequence(source.type);
  if (isNull(source)) {
    if (upgrade) return tupleValue([]);
    const subject = expression.source.range;
    diagnostics.push({ summary: "Splat of null value", detail: "A null value has no elements.", subject });
    return UNKNOWN;
  }
  if (source.type.kind === "dynamic") return UNKNOWN;
  if (upgrade) source = tupleValue([source]);
  if (!isKnown(source)) return UNKNOWN;
  const { item, each } = expression;
  const scope = outer ?? new ScopeOfItems();
  const at = (value: Value, found: Diagnostic[]): Value => {
    scope.splatItems.set(item, value);
    try {
      return evaluate(each, scope as Scope, found);
    } finally {
      scope.splatItems.delete(item);
    }
  };
  const values = elementsOf(source).map(([, value]) => at(value, diagnostics));
  if (diagnostics.length > before) return UNKNOWN;
  const { type } = source;
  if (type.kind !== "list" && type.kind !== "set") return tupleValue(values);
  if (values.length === 0) return listValue([], at(unknownOf(type.element), diagnostics).type);
  if (values.some((value) => !equalTypes(value.type, values[0]!.type))) {
    const detail = "The elements have different types; a for expression can make a tuple of them.";
    diagnostics.push({ summary: "Invalid nested splat expressions", detail, subject: each.range });
    return unknownOf(listOf(DYNAMIC));
  }
  return listValue(values);
}

/** Holds a splat's element where nothing else can be named. */
class ScopeOfItems {
  readonly variables = new Map<string, Value>();
  readonly functions = new Map();
  readonly parent = undefined;
  readonly splatItems = new Map<Extract<Expression, { kind: "splat-item" }>, Value>();
  lookup(): undefined {}
  splatItem(item: Extract<Expression, { kind: "splat-item" }>): Value | undefined {
    return this.splatItems.get(item);
  }
}

function template(
  expression: Extract<Expression, { kind: "template" }>,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
): Value {
  const summary = "Invalid template interpolation value";
  let text = "";
  let known = true;
  for (const part of expression.parts) {
    const value = evaluate(part, scope, diagnostics);
    if (isNull(value)) {
      const detail = "The expression result is null. A null value can't stand in a string.";
      diagnostics.push({ summary, detail, subject: part.range });
      continue;
    }
    if (!isKnown(value)) {
      known = false;
      continue;
    }
    try {
      text += asString(convertValue(value, STRING));
    } catch (error) {
      const detail = `The value can't stand in a string: ${conversionMessage(error)}.`;
      diagnostics.push({ summary, detail, subject: part.range });
    }
  }
  return known ? stringValue(text) : unknownOf(STRING);
}

function templateJoin(
  expression: Extract<Expression, { kind: "template-join" }>,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
): Value {
  const summary = "Invalid template interpolation value";
  const tuple = evaluate(expression.tuple, scope, diagnostics);
  if (!canIterate(tuple)) return unknownOf(STRING);
  let text = "";
  for (const [, value] of elementsOf(tuple)) {
    if (isNull(value)) {
      diagnostics.push({ summary, detail: "An iteration result is null.", subject: expression.range });
      continue;
    }
    if (!isKnown(value)) return unknownOf(STRING);
    try {
      text += asString(convertValue(value, STRING));
    } catch (error) {
      const detail = `An iteration result can't stand in a string: ${conversionMessage(error)}.`;
      diagnostics.push({ summary, detail, subject: expression.range });
    }
  }
  return stringValue(text);
}

function binary(
  expression: Extract<Expression, { kind: "binary" }>,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
): Value {
  const { operator } = expression;
  const types = operatorTypes(operator);
  const conversions: Diagnostic[] = [];
  const operand = (side: "left" | "right") => {
    const found: Diagnostic[] = [];
    let value = evaluate(expression[side], scope, found);
    try {
      value = convertValue(value, types.operand);
    } catch (error) {
      const detail = `Unsuitable value for ${side} operand: ${conversionMessage(error)}.`;
      conversions.push({ summary: "Invalid operand", detail, subject: expression[side].range });
    }
    return { value, found };
  };
  const left = operand("left");
  const right = operand("right");
  if (conversions.length > 0) {
    diagnostics.push(...conversions, ...left.found, ...right.found);
    return unknownOf(types.result);
  }
  if (operator === "||" || operator === "&&") {
    const deciding = operator === "||";
    const short = shortCircuit(left, right, deciding);
    if (short !== undefined) {
      diagnostics.push(...short.found);
      return short.value;
    }
  }
  const before = diagnostics.length;
  diagnostics.push(...left.found, ...right.found);
  if (diagnostics.length > before) return unknownOf(types.result);
  const comparesAny = operator === "==" || operator === "!=";
  try {
    if (!comparesAny && (isNull(left.value) || isNull(right.value)))
      throw new FunctionError("argument must not be null");
    if (!isKnown(left.value) || !isKnown(right.value)) return unknownOf(types.result);
    return applyOperator(operator, left.value, right.value);
  } catch (error) {
    if (!(error instanceof FunctionError)) throw error;
    const detail = `Error during operation: ${error.message}.`;
    diagnostics.push({ summary: "Operation failed", detail, subject: expression.range });
    return unknownOf(types.result);
  }
}

interface Operand {
  readonly value: Value;
  readonly found: readonly Diagnostic[];
}

/** One operand that decides settles the matter, whatever is wrong with the other. */
function shortCircuit(left: Operand, right: Operand, deciding: boolean): Operand | undefined {
  const [l, r] = [left.value.raw, right.value.raw];
  if (l === null || r === null) return undefined;
  if (l === undefined && r === undefined) {
    return left.found.length === 0 ? { value: unknownOf(BOOL), found: left.found } : undefined;
  }
  if (l === deciding) return { value: boolValue(deciding), found: left.found };
  if (r === deciding) return { value: boolValue(deciding), found: right.found };
  if (l === undefined) return { value: unknownOf(BOOL), found: left.found };
  return r === undefined ? { value: unknownOf(BOOL), found: right.found } : undefined;
}

function json(
  expression: Extract<Expression, { kind: "json" }>,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
): Value {
  const { node } = expression;
  switch (node.kind) {
    case "string": {
      if (scope === undefined) return stringValue(node.text);
      const parsed = jsonTemplate(node.text, node.range);
      if (parsed.diagnostics.length > 0) {
        diagnostics.push(...parsed.diagnostics);
        return UNKNOWN;
      }
      return evaluate(parsed.expression, scope, diagnostics);
    }
    case "number":
      return numberValue(node.number);
    case "bool":
      return boolValue(node.value);
    case "null":
      return { type: DYNAMIC, raw: null };
    case "array":
      return tupleValue(
        node.items.map((item) => evaluate({ kind: "json", node: item, range: item.range }, scope, diagnostics)),
      );
    case "object":
      return jsonObject(node, scope, diagnostics);
    case "invalid":
      return UNKNOWN;
  }
}

function jsonObject(
  node: Extract<Extract<Expression, { kind: "json" }>["node"], { kind: "object" }>,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
): Value {
  const entries = new Map<string, Value>();
  let known = true;
  const summary = "Invalid object key expression";
  for (const { name, nameRange, value } of node.properties) {
    const nameNode = { kind: "string", text: name, range: nameRange } as const;
    const key = evaluate({ kind: "json", node: nameNode, range: nameRange }, scope, diagnostics);
    const each = evaluate({ kind: "json", node: value, range: value.range }, scope, diagnostics);
    let text: Value;
    try {
      text = convertValue(key, STRING);
    } catch (error) {
      const detail = `This can't be a key: ${conversionMessage(error)}.`;
      diagnostics.push({ summary, detail, subject: nameRange });
      continue;
    }
    if (isNull(text)) diagnostics.push({ summary, detail: "A key can't be null.", subject: nameRange });
    else if (!isKnown(text)) known = false;
    else if (entries.has(asString(text))) {
      const detail = `An attribute named ${JSON.stringify(asString(text))} is there already.`;
      diagnostics.push({ summary: "Duplicate object attribute", detail, subject: nameRange });
    } else entries.set(asString(text), each);
  }
  return known ? objectValue(entries) : UNKNOWN;
}

export { startRange };
