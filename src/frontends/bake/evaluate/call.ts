// Calls of functions. Counterpart: hashicorp/hcl hclsyntax/expression.go FunctionCallExpr; zclconf/go-cty cty/function.

import { startRange } from "../hcl/expressions.ts";
import type { CallExpression, Expression } from "../hcl/expressions.ts";
import type { Diagnostic, Range } from "../hcl/source.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { DYNAMIC, isSequence } from "../values/types.ts";
import { UNKNOWN, elementsOf, isKnown, isNull, isWhollyKnown, typeValue, unknownOf } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import type { Evaluate } from "./evaluate.ts";
import { FunctionError } from "./scope.ts";
import type { HclFunction, LazyArgument, Parameter, Scope } from "./scope.ts";
import { readType } from "./type-expression.ts";

/** Unknown, and diagnostics, where the call fails. */
export function callFunction(
  expression: CallExpression,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
  evaluate: Evaluate,
): Value {
  const { name, nameRange } = expression;
  const tell = (summary: string, detail: string, subject: Range): Value => {
    diagnostics.push({ summary, detail, subject });
    return UNKNOWN;
  };
  if (scope === undefined)
    return tell("Function calls not allowed", "Functions may not be called here.", expression.range);
  const found = scope.functions.get(name);
  if (found === undefined) return tell("Call to unknown function", unknownFunction(name, scope), nameRange);

  const args = expression.expandLast ? expand(expression, scope, diagnostics, evaluate) : expression.args;
  if (args === undefined) return UNKNOWN;
  const { parameters, variadic } = found;
  if (args.length < parameters.length) {
    const least = variadic === undefined ? "" : " at least";
    const missing = JSON.stringify(parameters[args.length]!.name);
    const detail = `Function ${JSON.stringify(name)} expects${least} ${parameters.length} argument(s). Missing value for ${missing}.`;
    return tell("Not enough function arguments", detail, expression.closeRange);
  }
  if (variadic === undefined && args.length > parameters.length) {
    const detail = `Function ${JSON.stringify(name)} expects only ${parameters.length} argument(s).`;
    return tell("Too many function arguments", detail, startRange(args[parameters.length]!));
  }

  const before = diagnostics.length;
  const lazy: (LazyArgument | undefined)[] = [];
  const values = args.map((arg, at) => {
    const parameter = parameters[at] ?? variadic!;
    if (parameter.lazy === true) {
      lazy[at] = { expression: arg, evaluate: (into) => evaluate(arg, scope, into) };
      return UNKNOWN;
    }
    return argument(arg, parameter, scope, diagnostics, evaluate);
  });
  if (diagnostics.length > before) return UNKNOWN;
  try {
    return apply(found, values, lazy);
  } catch (error) {
    if (!(error instanceof FunctionError)) throw error;
    const blamed = error.argument === undefined ? undefined : args[error.argument];
    if (error.argument === undefined || blamed === undefined) {
      const subject = startRange(expression);
      return tell(
        "Error in function call",
        `Call to function ${JSON.stringify(name)} failed: ${error.message}.`,
        subject,
      );
    }
    const parameter = parameters[error.argument] ?? variadic!;
    return tell("Invalid function argument", invalidArgument(parameter, error.message), startRange(blamed));
  }
}

function unknownFunction(name: string, scope: Scope): string {
  const at = name.lastIndexOf("::");
  if (at >= 0) return `There are no functions in namespace ${JSON.stringify(name.slice(0, at + 2))}.`;
  const similar = [...scope.functions.keys()].find((known) => distance(known, name) < 3);
  const hint = similar === undefined ? "" : ` Did you mean ${JSON.stringify(similar)}?`;
  return `There is no function named ${JSON.stringify(name)}.${hint}`;
}

function invalidArgument(parameter: Parameter, problem: string): string {
  return `Invalid value for ${JSON.stringify(parameter.name)} parameter: ${problem}.`;
}

function argument(
  expression: Expression,
  parameter: Parameter,
  scope: Scope,
  diagnostics: Diagnostic[],
  evaluate: Evaluate,
): Value {
  if (parameter.type.kind === "type") return typeValue(readType(expression, diagnostics));
  const value = evaluate(expression, scope, diagnostics);
  try {
    return convertValue(value, parameter.type);
  } catch (error) {
    if (!(error instanceof ConversionError)) throw error;
    const detail = invalidArgument(parameter, error.message);
    diagnostics.push({ summary: "Invalid function argument", detail, subject: startRange(expression) });
    return UNKNOWN;
  }
}

/** The arguments with the last one's elements in its place; undefined, and a diagnostic, where it has none. */
function expand(
  expression: CallExpression,
  scope: Scope,
  diagnostics: Diagnostic[],
  evaluate: Evaluate,
): readonly Expression[] | undefined {
  const last = expression.args.at(-1)!;
  const before = diagnostics.length;
  const value = evaluate(last, scope, diagnostics);
  if (diagnostics.length > before) return undefined;
  const sequence = isSequence(value.type);
  if (!sequence || isNull(value)) {
    if (value.type.kind === "dynamic" && !isNull(value)) return undefined;
    const problem = isNull(value) ? "must not be null" : "must be a tuple, list, or set";
    const detail = `The expanding argument (indicated by ...) ${problem}.`;
    diagnostics.push({ summary: "Invalid expanding argument value", detail, subject: last.range });
    return undefined;
  }
  if (!isKnown(value)) return undefined;
  const items = elementsOf(value).map(([, each]): Expression => ({ kind: "literal", value: each, range: last.range }));
  return [...expression.args.slice(0, -1), ...items];
}

/** Nulls are refused, and unknown arguments make unknown results, unless a parameter takes them. @throws FunctionError. */
function apply(called: HclFunction, values: readonly Value[], lazy: readonly (LazyArgument | undefined)[]): Value {
  const { parameters, variadic, resultType } = called;
  let unknown = false;
  for (const [at, value] of values.entries()) {
    const parameter = parameters[at] ?? variadic!;
    if (parameter.lazy === true) continue;
    if (isNull(value) && parameter.allowNull !== true) throw new FunctionError("argument must not be null", at);
    if (!isWhollyKnown(value) && parameter.allowUnknown !== true) unknown = true;
  }
  return unknown ? unknownOf(resultType ?? DYNAMIC) : called.call(values, lazy);
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
