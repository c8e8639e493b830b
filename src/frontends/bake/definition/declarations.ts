// The `variable` and `function` blocks of a definition, unevaluated. Counterpart: docker/buildx bake/hclparser/hclparser.go inputs.

import { evaluate } from "../evaluate/evaluate.ts";
import type { Block, Body } from "../hcl/body.ts";
import type { Attribute, Expression } from "../hcl/expressions.ts";
import { startRange } from "../hcl/expressions.ts";
import type { Diagnostic, Range } from "../hcl/source.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { STRING } from "../values/types.ts";
import { NULL, asString, isNull } from "../values/value.ts";

export interface Validation {
  readonly condition: Expression;
  readonly message: Expression;
}

export interface VariableDeclaration {
  readonly name: string;
  readonly type: Attribute | undefined;
  readonly default: Attribute | undefined;
  readonly description: string;
  readonly validations: readonly Validation[];
  readonly body: Body;
}

export interface FunctionDeclaration {
  readonly name: string;
  readonly params: Attribute | undefined;
  readonly variadic: Attribute | undefined;
  readonly result: Attribute | undefined;
  readonly labelRange: Range;
}

/** In the order of the text. Attributes that no variable has are left alone. */
export function readVariables(body: Body, diagnostics: Diagnostic[]): VariableDeclaration[] {
  const blocks = blocksOf(body, "variable", diagnostics);
  const schema = {
    attributes: ["type", "default", "description"].map((name) => ({ name })),
    blocks: [{ type: "validation", labels: [] }],
  };
  return blocks.map((block) => {
    const { attributes, blocks: inner } = block.body.partialContent(schema, diagnostics);
    return {
      name: block.labels[0]!,
      type: attributes.get("type"),
      default: attributes.get("default"),
      description: descriptionOf(attributes.get("description"), diagnostics),
      validations: inner.map((each) => readValidation(each, diagnostics)),
      body: block.body,
    };
  });
}

/** In the order of the text. A function has the attributes that it has and no others. */
export function readFunctions(body: Body, diagnostics: Diagnostic[]): FunctionDeclaration[] {
  const schema = { attributes: ["params", "variadic_params", "result"].map((name) => ({ name })), blocks: [] };
  return blocksOf(body, "function", diagnostics).map((block) => {
    const { attributes } = block.body.content(schema, diagnostics);
    return {
      name: block.labels[0]!,
      params: attributes.get("params"),
      variadic: attributes.get("variadic_params"),
      result: attributes.get("result"),
      labelRange: block.labelRanges[0]!,
    };
  });
}

function blocksOf(body: Body, type: string, diagnostics: Diagnostic[]): readonly Block[] {
  return body.partialContent({ attributes: [], blocks: [{ type, labels: ["name"] }] }, diagnostics).blocks;
}

function readValidation(block: Block, diagnostics: Diagnostic[]): Validation {
  const schema = { attributes: ["condition", "error_message"].map((name) => ({ name })), blocks: [] };
  const { attributes } = block.body.content(schema, diagnostics);
  const missing: Expression = { kind: "literal", value: NULL, range: block.body.missingItemRange() };
  return {
    condition: attributes.get("condition")?.expression ?? missing,
    message: attributes.get("error_message")?.expression ?? missing,
  };
}

function descriptionOf(attribute: Attribute | undefined, diagnostics: Diagnostic[]): string {
  if (attribute === undefined) return "";
  const { expression } = attribute;
  const before = diagnostics.length;
  const value = evaluate(expression, undefined, diagnostics);
  if (diagnostics.length > before) return "";
  try {
    const text = convertValue(value, STRING);
    if (!isNull(text)) return asString(text);
    throw new ConversionError("null value is not allowed");
  } catch (error) {
    if (!(error instanceof ConversionError)) throw error;
    const detail = `Unsuitable value: ${error.message}`;
    diagnostics.push({ summary: "Unsuitable value type", detail, subject: startRange(expression) });
    return "";
  }
}
