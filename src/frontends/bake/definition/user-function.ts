// Functions that a definition declares. Counterpart: docker/buildx util/userfunc.

import { evaluate } from "../evaluate/evaluate.ts";
import { FunctionError, Scope } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import type { Expression } from "../hcl/expressions.ts";
import { diagnosticsText } from "../hcl/source.ts";
import type { Diagnostic } from "../hcl/source.ts";
import { DYNAMIC } from "../values/types.ts";
import { tupleValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";

/** Evaluates `result` with the arguments beside what `scope` has; `rest` takes all further arguments. */
export function userFunction(
  names: readonly string[],
  rest: string | undefined,
  result: Expression,
  scope: Scope,
): HclFunction {
  return {
    parameters: names.map((name) => ({ name, type: DYNAMIC })),
    ...(rest === undefined ? {} : { variadic: { name: rest, type: DYNAMIC } }),
    call: (args) => {
      const local: [string, Value][] = names.map((name, at) => [name, args[at]!]);
      if (rest !== undefined) local.push([rest, tupleValue(args.slice(names.length))]);
      const diagnostics: Diagnostic[] = [];
      const value = evaluate(result, new Scope(scope, local), diagnostics);
      if (diagnostics.length > 0) throw new FunctionError(diagnosticsText(diagnostics));
      return value;
    },
  };
}
