// What an expression can name: variables and functions, those of outer scopes included.

import type { Value } from "../values/value.ts";
import type { Expression, SplatItem } from "../hcl/expressions.ts";
import type { Diagnostic } from "../hcl/source.ts";
import type { Type } from "../values/types.ts";

export interface Parameter {
  readonly name: string;
  /** A `type` parameter takes a type expression, not a value. */
  readonly type: Type;
  /** Whether null is passed on. Defaults to false. */
  readonly allowNull?: boolean;
  /** Whether unknown values are passed on. Defaults to false. */
  readonly allowUnknown?: boolean;
  /** Given as it is written, to be evaluated by the function. Defaults to false. */
  readonly lazy?: boolean;
}

/** What a function gets for a lazy parameter. */
export interface LazyArgument {
  readonly expression: Expression;
  evaluate(diagnostics: Diagnostic[]): Value;
}

export interface HclFunction {
  readonly parameters: readonly Parameter[];
  /** Takes all further arguments. */
  readonly variadic?: Parameter;
  /** What the result is where arguments are unknown; `dynamic` when absent. */
  readonly resultType?: Type;
  /** @throws FunctionError. */
  call(args: readonly Value[], lazy: readonly (LazyArgument | undefined)[]): Value;
}

/** Why a call failed; `argument` counts from 0 where one argument is to blame. The message is a part of a sentence. */
export class FunctionError extends Error {
  readonly argument: number | undefined;

  constructor(message: string, argument?: number) {
    super(message);
    this.argument = argument;
  }
}

export class Scope {
  readonly variables: Map<string, Value>;
  readonly functions: Map<string, HclFunction>;
  readonly parent: Scope | undefined;
  /** What splats being evaluated are at. */
  readonly splatItems = new Map<SplatItem, Value>();

  constructor(parent?: Scope, variables: Iterable<readonly [string, Value]> = []) {
    this.parent = parent;
    this.variables = new Map(variables);
    this.functions = parent?.functions ?? new Map();
  }

  /** Undefined where no scope has it. */
  lookup(name: string): Value | undefined {
    for (let scope: Scope | undefined = this as Scope; scope !== undefined; scope = scope.parent) {
      const found = scope.variables.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  splatItem(item: SplatItem): Value | undefined {
    for (let scope: Scope | undefined = this as Scope; scope !== undefined; scope = scope.parent) {
      const found = scope.splatItems.get(item);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
