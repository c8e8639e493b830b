// Functions of numbers and truth values. Counterpart: zclconf/go-cty cty/function/stdlib number.go, bool.go, general.go.

import { applyOperator } from "../evaluate/operators.ts";
import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import type { BinaryOperator } from "../hcl/expressions.ts";
import { BigFloat } from "../values/big-float.ts";
import { BOOL, NUMBER, listOf, typeName } from "../values/types.ts";
import { asBool, asNumber, asString, boolValue, listValue, numberValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { any, anyOrNull, define, defineVariadic, number, quote, wholeNumber } from "./function.ts";

const MAX_RANGE = 1024;

function operator(op: BinaryOperator): HclFunction {
  const compares = ["<", "<=", ">", ">="].includes(op);
  return define([number("a"), number("b")], compares ? BOOL : NUMBER, (a, b) => applyOperator(op, a, b));
}

const bool = (name: string) => ({ name, type: BOOL });

export const numberFunctions: Readonly<Record<string, HclFunction>> = {
  absolute: define([number("num")], NUMBER, (num) => numberValue(asNumber(num).absolute())),
  add: operator("+"),
  and: define([bool("a"), bool("b")], BOOL, (a, b) => boolValue(asBool(a) && asBool(b))),
  ceil: define([number("num")], NUMBER, (num) => numberValue(rounded(asNumber(num), 1))),
  divide: operator("/"),
  equal: define([anyOrNull("a"), anyOrNull("b")], BOOL, (a, b) => applyOperator("==", a, b)),
  floor: define([number("num")], NUMBER, (num) => numberValue(rounded(asNumber(num), -1))),
  greaterthan: operator(">"),
  greaterthanorequalto: operator(">="),
  int: define([number("num")], NUMBER, (num) => {
    const given = asNumber(num);
    if (given.kind === "infinite") throw new FunctionError("can't truncate infinity to an integer");
    return given.isInteger ? num : numberValue(given.truncate());
  }),
  lessthan: operator("<"),
  lessthanorequalto: operator("<="),
  log: define([number("num"), number("base")], NUMBER, (num, base) =>
    double(Math.log(asNumber(num).toNumber()) / Math.log(asNumber(base).toNumber())),
  ),
  max: defineVariadic([], number("numbers"), NUMBER, (numbers) => extreme(numbers, 1)),
  min: defineVariadic([], number("numbers"), NUMBER, (numbers) => extreme(numbers, -1)),
  modulo: operator("%"),
  multiply: operator("*"),
  negate: define([number("num")], NUMBER, (num) => numberValue(asNumber(num).negate())),
  not: define([bool("val")], BOOL, (value) => boolValue(!asBool(value))),
  notequal: define([anyOrNull("a"), anyOrNull("b")], BOOL, (a, b) => applyOperator("!=", a, b)),
  or: define([bool("a"), bool("b")], BOOL, (a, b) => boolValue(asBool(a) || asBool(b))),
  parseint: define([any("number"), number("base")], NUMBER, parseInteger),
  pow: define([number("num"), number("power")], NUMBER, (num, power) =>
    double(asNumber(num).toNumber() ** asNumber(power).toNumber()),
  ),
  range: defineVariadic([], number("params"), listOf(NUMBER), range),
  signum: define([number("num")], NUMBER, (num) => numberValue(Math.sign(wholeNumber(num)))),
  subtract: operator("-"),
};

function double(value: number): Value {
  if (Number.isNaN(value)) throw new FunctionError("the result is not a number");
  return numberValue(BigFloat.double(value));
}

function rounded(value: BigFloat, direction: 1 | -1): BigFloat {
  if (value.kind === "infinite" || value.isInteger) return value;
  const whole = value.truncate();
  const away = value.sign === direction ? BigInt(direction) : 0n;
  return BigFloat.integer(whole + away, value.precision);
}

function extreme(numbers: readonly Value[], direction: 1 | -1): Value {
  const [first, ...more] = numbers;
  if (first === undefined) throw new FunctionError("must pass at least one number");
  return more.reduce((best, each) => (asNumber(each).compare(asNumber(best)) === direction ? each : best), first);
}

function parseInteger(value: Value, baseValue: Value): Value {
  if (value.type.kind !== "string") {
    throw new FunctionError(`first argument must be a string, not ${typeName(value.type)}`, 0);
  }
  const given = asString(value);
  const base = wholeNumber(baseValue, 1);
  if (base < 2 || base > 62) throw new FunctionError("base must be a whole number between 2 and 62 inclusive", 1);
  const parsed = integerOf(given, base);
  if (parsed === undefined) throw new FunctionError(`cannot parse ${quote(given)} as a base ${base} integer`, 0);
  return numberValue(parsed);
}

/** Up to base 36 letters of either case count the same; above, lower case comes first. */
function integerOf(given: string, base: number): bigint | undefined {
  const match = /^([+-]?)([0-9a-zA-Z]+)$/.exec(given);
  if (match === null) return undefined;
  let value = 0n;
  for (const char of match[2]!) {
    const lower = "0123456789abcdefghijklmnopqrstuvwxyz".indexOf(base <= 36 ? char.toLowerCase() : char);
    const digit = lower >= 0 ? lower : 36 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ".indexOf(char);
    if (digit >= base) return undefined;
    value = value * BigInt(base) + BigInt(digit);
  }
  return match[1] === "-" ? -value : value;
}

function range(args: readonly Value[]): Value {
  const zero = BigFloat.integer(0);
  const given = args.map(asNumber);
  let [start, end, step] = given;
  if (given.length === 1) [start, end] = [zero, given[0]];
  else if (given.length < 1 || given.length > 3) throw new FunctionError("must have one, two, or three arguments");
  step ??= BigFloat.integer(end!.compare(start!) < 0 ? -1 : 1);
  if (step.isZero) throw new FunctionError("step must not be zero", 2);
  const down = step.sign < 0;
  if (down && end!.compare(start!) > 0) throw new FunctionError("end must be less than start when step is negative", 1);
  if (!down && end!.compare(start!) < 0) {
    throw new FunctionError("end must be greater than start when step is positive", 1);
  }
  const values: Value[] = [];
  for (let at = start!; down ? at.compare(end!) > 0 : at.compare(end!) < 0; at = at.add(step)!) {
    if (values.length >= MAX_RANGE) {
      throw new FunctionError(
        "more than 1024 values were generated; either decrease the difference between start and end or use a smaller step",
      );
    }
    values.push(numberValue(at));
  }
  return listValue(values, NUMBER);
}
