// Functions that work on expressions or types. Counterpart: hashicorp/hcl ext/tryfunc, ext/typeexpr.

import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction, LazyArgument } from "../evaluate/scope.ts";
import { rangeText } from "../hcl/source.ts";
import type { Diagnostic } from "../hcl/source.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { BOOL, DYNAMIC, TYPE } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import { UNKNOWN, boolValue, isWhollyKnown, unknownOf } from "../values/value.ts";
import type { Value } from "../values/value.ts";

const lazily = (name: string) => ({ name, type: DYNAMIC, lazy: true, allowNull: true, allowUnknown: true });

export const generalFunctions: Readonly<Record<string, HclFunction>> = {
  can: {
    parameters: [lazily("expression")],
    resultType: BOOL,
    call: (_, [argument]) => {
      const found: Diagnostic[] = [];
      const value = argument!.evaluate(found);
      if (found.length > 0) return boolValue(false);
      return isWhollyKnown(value) ? boolValue(true) : unknownOf(BOOL);
    },
  },
  convert: {
    parameters: [
      { name: "value", type: DYNAMIC, allowNull: true, allowUnknown: true },
      { name: "type", type: TYPE },
    ],
    call: ([value, type]) => {
      try {
        return convertValue(value!, type!.raw as Type);
      } catch (error) {
        if (error instanceof ConversionError) throw new FunctionError(error.message, 0);
        throw error;
      }
    },
  },
  try: { parameters: [], variadic: lazily("expressions"), call: (_, lazy) => firstThatWorks(lazy) },
};

function firstThatWorks(lazy: readonly (LazyArgument | undefined)[]): Value {
  if (lazy.length === 0) throw new FunctionError("at least one argument is required");
  const found: Diagnostic[] = [];
  for (const argument of lazy) {
    const own: Diagnostic[] = [];
    const value = argument!.evaluate(own);
    if (own.length === 0) return isWhollyKnown(value) ? value : UNKNOWN;
    found.push(...own);
  }
  const list = found.map(({ summary, detail, subject }) => {
    const at = subject === undefined ? "" : ` (at ${rangeText(subject)})`;
    return `- ${summary}${at}\n  ${detail}\n`;
  });
  throw new FunctionError(
    `no expression succeeded:\n${list.join("")}\nAt least one expression must produce a successful result`,
  );
}
