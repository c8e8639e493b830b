// The syntax tree of HCL: expressions, attributes, blocks. Positions are kept for messages.

import type { Value } from "../values/value.ts";
import type { JsonNode } from "./json-nodes.ts";
import type { Diagnostic, Range } from "./source.ts";

/** A step from a value to a part of it; the root step names a variable. */
export type Step =
  | { readonly kind: "root" | "attribute"; readonly name: string; readonly range: Range }
  | { readonly kind: "index"; readonly key: Value; readonly range: Range };

export type BinaryOperator = "||" | "&&" | "==" | "!=" | ">" | ">=" | "<" | "<=" | "+" | "-" | "*" | "/" | "%";

/** Stands for the element that a splat is at. */
export interface SplatItem {
  readonly kind: "splat-item";
  readonly range: Range;
}

export type Expression =
  | { readonly kind: "literal"; readonly value: Value; readonly range: Range }
  | { readonly kind: "scope"; readonly steps: readonly Step[]; readonly range: Range }
  | { readonly kind: "relative"; readonly source: Expression; readonly steps: readonly Step[]; readonly range: Range }
  | CallExpression
  | {
      readonly kind: "conditional";
      readonly condition: Expression;
      readonly whenTrue: Expression;
      readonly whenFalse: Expression;
      readonly range: Range;
    }
  | {
      readonly kind: "index";
      readonly collection: Expression;
      readonly key: Expression;
      readonly range: Range;
      readonly openRange: Range;
      readonly bracketRange: Range;
    }
  | { readonly kind: "tuple"; readonly items: readonly Expression[]; readonly range: Range; readonly openRange: Range }
  | {
      readonly kind: "object";
      readonly items: readonly { readonly key: Expression; readonly value: Expression }[];
      readonly range: Range;
      readonly openRange: Range;
    }
  /** A key of an object: a bare name is that name. `forced` by parentheses to be an expression. */
  | { readonly kind: "object-key"; readonly wrapped: Expression; readonly forced: boolean; readonly range: Range }
  | ForExpression
  | {
      readonly kind: "splat";
      readonly source: Expression;
      readonly each: Expression;
      readonly item: SplatItem;
      readonly range: Range;
      readonly markerRange: Range;
    }
  | SplatItem
  | { readonly kind: "template"; readonly parts: readonly Expression[]; readonly range: Range }
  /** The elements of a tuple, joined to one text. */
  | { readonly kind: "template-join"; readonly tuple: Expression; readonly range: Range }
  /** A template that is one interpolation: its value as it is. */
  | { readonly kind: "template-wrap"; readonly wrapped: Expression; readonly range: Range }
  | { readonly kind: "parentheses"; readonly inner: Expression; readonly range: Range }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly range: Range;
    }
  | {
      readonly kind: "unary";
      readonly operator: "-" | "!";
      readonly operand: Expression;
      readonly range: Range;
      readonly symbolRange: Range;
    }
  | { readonly kind: "syntax-error"; readonly diagnostics: readonly Diagnostic[]; readonly range: Range }
  /** A value of a JSON file, whose strings are templates. */
  | { readonly kind: "json"; readonly node: JsonNode; readonly range: Range };

export interface CallExpression {
  readonly kind: "call";
  readonly name: string;
  readonly args: readonly Expression[];
  /** Whether the last argument stands for its elements. */
  readonly expandLast: boolean;
  readonly range: Range;
  readonly nameRange: Range;
  readonly openRange: Range;
  readonly closeRange: Range;
}

export interface ForExpression {
  readonly kind: "for";
  /** Empty where only values are named. */
  readonly keyName: string;
  readonly valueName: string;
  readonly collection: Expression;
  /** Undefined where a tuple is made. */
  readonly key: Expression | undefined;
  readonly value: Expression;
  readonly condition: Expression | undefined;
  readonly group: boolean;
  readonly range: Range;
  readonly openRange: Range;
}

export interface Attribute {
  readonly name: string;
  readonly expression: Expression;
  readonly range: Range;
  readonly nameRange: Range;
}

/** Where an expression starts, as messages about operands show it. */
export function startRange(expression: Expression): Range {
  switch (expression.kind) {
    case "call":
      return { ...expression.nameRange, end: expression.openRange.end };
    case "conditional":
      return startRange(expression.condition);
    case "index":
    case "tuple":
    case "object":
    case "for":
      return expression.openRange;
    case "object-key":
      return startRange(expression.wrapped);
    case "splat":
      return expression.markerRange;
    case "template":
      return expression.parts[0] === undefined ? expression.range : startRange(expression.parts[0]);
    case "template-join":
      return startRange(expression.tuple);
    case "parentheses":
      return startRange(expression.inner);
    case "binary":
      return startRange(expression.left);
    case "unary":
      return expression.symbolRange;
    case "json":
      return expression.node.openRange ?? expression.range;
    default:
      return expression.range;
  }
}
