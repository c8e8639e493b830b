// `for` expressions. Counterpart: hashicorp/hcl hclsyntax/expression.go ForExpr.

import type { Expression, ForExpression } from "../hcl/expressions.ts";
import type { Diagnostic, Range } from "../hcl/source.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { BOOL, STRING, typeName } from "../values/types.ts";
import {
  UNKNOWN,
  asString,
  canIterate,
  elementsOf,
  isKnown,
  isNull,
  objectValue,
  tupleValue,
} from "../values/value.ts";
import type { Value } from "../values/value.ts";
import type { Evaluate } from "./evaluate.ts";
import { Scope } from "./scope.ts";

export function evaluateFor(
  expression: ForExpression,
  scope: Scope | undefined,
  diagnostics: Diagnostic[],
  evaluate: Evaluate,
): Value {
  const run = new ForRun(expression, scope, diagnostics, evaluate);
  return run.result();
}

class ForRun {
  readonly #for: ForExpression;
  readonly #scope: Scope | undefined;
  readonly #diagnostics: Diagnostic[];
  readonly #evaluate: Evaluate;
  /** False once a part of the result can't be told. */
  #known = true;

  constructor(expression: ForExpression, scope: Scope | undefined, diagnostics: Diagnostic[], evaluate: Evaluate) {
    this.#for = expression;
    this.#scope = scope;
    this.#diagnostics = diagnostics;
    this.#evaluate = evaluate;
  }

  result(): Value {
    const { collection: expression, condition } = this.#for;
    const collection = this.#evaluate(expression, this.#scope, this.#diagnostics);
    if (isNull(collection)) {
      return this.#give("Iteration over null value", "A null value has no elements to go over.", expression.range);
    }
    if (collection.type.kind === "dynamic") return UNKNOWN;
    if (isKnown(collection) && !canIterate(collection)) {
      const detail = `A value of type ${typeName(collection.type)} has no elements to go over.`;
      return this.#give("Iteration over non-iterable value", detail, expression.range);
    }
    if (condition !== undefined && !this.#checkCondition(condition)) return UNKNOWN;
    if (!isKnown(collection)) return UNKNOWN;
    return this.#for.key === undefined ? this.#tuple(collection) : this.#object(collection, this.#for.key);
  }

  /** A condition of the wrong type is told once, not for each element. */
  #checkCondition(condition: Expression): boolean {
    const before = this.#diagnostics.length;
    const sample = this.#evaluate(condition, this.#child(UNKNOWN, UNKNOWN), this.#diagnostics);
    if (isNull(sample)) {
      this.#give("Condition is null", "The value of the 'if' clause must not be null.", condition.range);
      return false;
    }
    try {
      convertValue(sample, BOOL);
    } catch (error) {
      this.#invalidCondition(error, condition.range);
      return false;
    }
    return this.#diagnostics.length === before;
  }

  #tuple(collection: Value): Value {
    const values: Value[] = [];
    for (const [key, element] of elementsOf(collection)) {
      const scope = this.#child(key, element);
      if (this.#includes(scope)) values.push(this.#evaluate(this.#for.value, scope, this.#diagnostics));
    }
    return this.#known ? tupleValue(values) : UNKNOWN;
  }

  #object(collection: Value, keyExpression: Expression): Value {
    const groups = new Map<string, Value[]>();
    for (const [key, element] of elementsOf(collection)) {
      const scope = this.#child(key, element);
      if (!this.#includes(scope)) continue;
      const name = this.#key(keyExpression, scope);
      if (name === undefined) {
        this.#known = false;
        continue;
      }
      const value = this.#evaluate(this.#for.value, scope, this.#diagnostics);
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [value]);
      else if (this.#for.group) group.push(value);
      else {
        const detail = `Two items have the key ${JSON.stringify(name)}. Write "..." behind the value to group by key.`;
        this.#give("Duplicate object key", detail, keyExpression.range);
      }
    }
    if (!this.#known) return UNKNOWN;
    return objectValue([...groups].map(([name, group]) => [name, this.#for.group ? tupleValue(group) : group[0]!]));
  }

  #key(expression: Expression, scope: Scope): string | undefined {
    const key = this.#evaluate(expression, scope, this.#diagnostics);
    const give = (detail: string) => {
      if (this.#known) this.#give("Invalid object key", detail, expression.range);
    };
    if (isNull(key)) {
      give("A key must not be null.");
      return undefined;
    }
    if (!isKnown(key)) return undefined;
    try {
      return asString(convertValue(key, STRING));
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error;
      give(`The key is invalid: ${error.message}.`);
      return undefined;
    }
  }

  #includes(scope: Scope): boolean {
    const { condition } = this.#for;
    if (condition === undefined) return true;
    const value = this.#evaluate(condition, scope, this.#diagnostics);
    if (isNull(value)) {
      if (this.#known) {
        this.#give("Invalid 'for' condition", "The value of the 'if' clause must not be null.", condition.range);
      }
      this.#known = false;
      return false;
    }
    try {
      const included = convertValue(value, BOOL);
      if (!isKnown(included)) this.#known = false;
      return included.raw === true;
    } catch (error) {
      if (this.#known) this.#invalidCondition(error, condition.range);
      this.#known = false;
      return false;
    }
  }

  #invalidCondition(error: unknown, range: Range): void {
    if (!(error instanceof ConversionError)) throw error;
    this.#give("Invalid 'for' condition", `The 'if' clause value is invalid: ${error.message}.`, range);
  }

  #child(key: Value, element: Value): Scope {
    const { keyName, valueName } = this.#for;
    const names: [string, Value][] = keyName === "" ? [] : [[keyName, key]];
    return new Scope(this.#scope, [...names, [valueName, element]]);
  }

  #give(summary: string, detail: string, subject: Range): Value {
    this.#diagnostics.push({ summary, detail, subject });
    return UNKNOWN;
  }
}
