// Facts about expressions that need no evaluation: the variables and functions they use, the name or list that they spell.
// Counterpart: hashicorp/hcl hclsyntax/variables.go, expr_list.go; docker/buildx bake/hclparser/expr.go.

import type { CallExpression, Expression, Step } from "../hcl/expressions.ts";
import { parseExpressionText } from "../hcl/native-body.ts";
import { jsonTemplate } from "./json-template.ts";

/** The path that an expression spells, root first; undefined where it is something else. */
export function traversalOf(expression: Expression): readonly Step[] | undefined {
  switch (expression.kind) {
    case "scope":
      return expression.steps;
    case "literal": {
      const { value, range } = expression;
      const name = value.raw === null ? "null" : typeof value.raw === "boolean" ? String(value.raw) : undefined;
      return name === undefined ? undefined : [{ kind: "root", name, range }];
    }
    case "relative": {
      const source = traversalOf(expression.source);
      return source === undefined ? undefined : [...source, ...expression.steps];
    }
    case "object-key":
      return expression.forced ? undefined : traversalOf(expression.wrapped);
    case "parentheses":
      return undefined;
    case "json": {
      if (expression.node.kind !== "string") return undefined;
      const { text, range } = expression.node;
      const parsed = parseExpressionText(text, range.filename, range.start);
      return parsed.diagnostics.length === 0 && parsed.expression.kind === "scope"
        ? parsed.expression.steps
        : undefined;
    }
    default:
      return undefined;
  }
}

/** The single name that an expression is; empty where it is something else. */
export function keywordOf(expression: Expression): string {
  const steps = traversalOf(expression);
  const [root] = steps ?? [];
  return steps?.length === 1 && root?.kind === "root" ? root.name : "";
}

/** The items that an expression lists; undefined where it is no list. */
export function listOfExpression(expression: Expression): readonly Expression[] | undefined {
  if (expression.kind === "tuple") return expression.items;
  if (expression.kind === "json" && expression.node.kind === "array") {
    return expression.node.items.map((node) => ({ kind: "json", node, range: node.range }));
  }
  return undefined;
}

/** The call that an expression is; undefined where it is something else. */
export function callOf(expression: Expression): CallExpression | undefined {
  if (expression.kind === "call") return expression;
  if (expression.kind !== "json" || expression.node.kind !== "string") return undefined;
  const { text, range } = expression.node;
  const parsed = parseExpressionText(text, range.filename, range.start);
  return parsed.diagnostics.length === 0 && parsed.expression.kind === "call" ? parsed.expression : undefined;
}

/** Paths of all variables that an expression uses, but for those that a `for` in it names; in the order of the text. */
export function variablesOf(expression: Expression): (readonly Step[])[] {
  const found: (readonly Step[])[] = [];
  visit(expression, new Set(), (each, local) => {
    if (each.kind !== "scope") return;
    const [root] = each.steps;
    if (root?.kind === "root" && !local.has(root.name)) found.push(each.steps);
  });
  return found;
}

/**
 * Names of all functions that an expression calls, each once. Strings of JSON files are looked at as if they were expressions, not
 * templates, as bake does.
 */
export function functionsOf(expression: Expression): string[] {
  if (expression.kind === "json") return [...new Set(jsonLeaves(expression.node).flatMap(functionsOf))];
  const found = new Set<string>();
  visit(expression, new Set(), (each) => {
    if (each.kind === "call") found.add(each.name);
  });
  return [...found];
}

type Visitor = (expression: Expression, local: ReadonlySet<string>) => void;

function visit(expression: Expression, local: ReadonlySet<string>, tell: Visitor): void {
  tell(expression, local);
  const all = (...inner: (Expression | undefined)[]) => {
    for (const each of inner) if (each !== undefined) visit(each, local, tell);
  };
  switch (expression.kind) {
    case "relative":
      return all(expression.source);
    case "call":
      return all(...expression.args);
    case "conditional":
      return all(expression.condition, expression.whenTrue, expression.whenFalse);
    case "index":
      return all(expression.collection, expression.key);
    case "tuple":
      return all(...expression.items);
    case "object":
      return all(...expression.items.flatMap(({ key, value }) => [key, value]));
    case "object-key":
      if (keywordOf(expression.wrapped) === "") all(expression.wrapped);
      return;
    case "for": {
      all(expression.collection);
      const inner = new Set([...local, expression.keyName, expression.valueName]);
      for (const each of [expression.key, expression.value, expression.condition]) {
        if (each !== undefined) visit(each, inner, tell);
      }
      return;
    }
    case "splat":
      return all(expression.source, expression.each);
    case "template":
      return all(...expression.parts);
    case "template-join":
      return all(expression.tuple);
    case "template-wrap":
      return all(expression.wrapped);
    case "parentheses":
      return all(expression.inner);
    case "binary":
      return all(expression.left, expression.right);
    case "unary":
      return all(expression.operand);
    case "json":
      return all(...jsonParts(expression.node));
    default:
  }
}

function jsonParts(node: Extract<Expression, { kind: "json" }>["node"]): Expression[] {
  if (node.kind === "string") {
    const parsed = jsonTemplate(node.text, node.range);
    return parsed.diagnostics.length > 0 ? [] : [parsed.expression];
  }
  if (node.kind === "array") return node.items.map((item) => ({ kind: "json", node: item, range: item.range }));
  if (node.kind !== "object") return [];
  return node.properties.flatMap(({ name, nameRange, value }): Expression[] => [
    { kind: "json", node: { kind: "string", text: name, range: nameRange }, range: nameRange },
    { kind: "json", node: value, range: value.range },
  ]);
}

function jsonLeaves(node: Extract<Expression, { kind: "json" }>["node"]): Expression[] {
  if (node.kind === "array") return node.items.flatMap(jsonLeaves);
  if (node.kind === "object") {
    return node.properties.flatMap(({ name, nameRange, value }) => [
      ...textLeaf(name, nameRange),
      ...jsonLeaves(value),
    ]);
  }
  return node.kind === "string" ? textLeaf(node.text, node.range) : [];
}

function textLeaf(text: string, range: Expression["range"]): Expression[] {
  const parsed = parseExpressionText(text, range.filename, range.start);
  return parsed.diagnostics.length === 0 ? [parsed.expression] : [];
}
