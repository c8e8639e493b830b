// `format` and `formatlist`: printf as HCL has it. Counterpart: zclconf/go-cty cty/function/stdlib format.go.

import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import type { BigFloat, Decimal } from "../values/big-float.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { valueToJson } from "../values/json.ts";
import { BOOL, NUMBER, STRING, isSequence, listOf } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import { asBool, asElements, asNumber, asString, isNull, lengthOf, listValue, stringValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { anyOrNull, defineVariadic, graphemes, quote, text } from "./function.ts";

export const formatFunctions: Readonly<Record<string, HclFunction>> = {
  format: defineVariadic([text("format")], anyOrNull("args"), STRING, ([pattern, ...args]) =>
    stringValue(format(asString(pattern!), args)),
  ),
  formatlist: defineVariadic([text("format")], anyOrNull("args"), listOf(STRING), formatList),
};

interface Verb {
  readonly raw: string;
  readonly offset: number;
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
  readonly mode: string;
}

const VERB = /%([0#+\- ]*)(\d+)?(?:\.(\d+)?)?(?:\[(\d+)\])?([a-zA-Z%])?/y;

function format(pattern: string, args: readonly Value[]): string {
  let result = "";
  let next = 1;
  let highest = 0;
  let explicit = false;
  for (let at = 0; at < pattern.length;) {
    if (pattern[at] !== "%") {
      const end = pattern.indexOf("%", at);
      result += pattern.slice(at, end < 0 ? pattern.length : end);
      at = end < 0 ? pattern.length : end;
      continue;
    }
    const offset = Buffer.byteLength(pattern.slice(0, at));
    VERB.lastIndex = at;
    const [raw, flags = "", width, precision, argument, mode] = VERB.exec(pattern)!;
    at += raw.length;
    if (raw === "%%") {
      result += "%";
      continue;
    }
    if (mode === undefined || mode === "%") {
      const bad = mode === "%" ? "%" : pattern.slice(at, at + 1);
      if (bad === "") throw new FunctionError(`unterminated verb at end of format string`);
      throw new FunctionError(`unrecognized format character ${quote(bad)} at offset ${offset + raw.length}`);
    }
    if (argument !== undefined) {
      next = Number(argument);
      explicit = true;
      if (next < 1) throw new FunctionError(`unrecognized format character "0" at offset ${offset}`);
    }
    highest = Math.max(highest, next);
    const hasPrecision = /\.\d*/.test(raw);
    const verb: Verb = {
      raw,
      offset,
      flags,
      width: width === undefined ? undefined : Number(width),
      precision: hasPrecision ? Number(precision ?? 0) : undefined,
      mode,
    };
    const value = args[next - 1];
    if (value === undefined) {
      throw new FunctionError(
        `not enough arguments for ${quote(raw)} at ${offset}: need index ${next} but have ${args.length} total`,
      );
    }
    result += formatOne(verb, value);
    next++;
  }
  if (!explicit && highest < args.length) {
    throw new FunctionError(
      highest === 0
        ? "too many arguments; no verbs in format string"
        : `too many arguments; only ${highest} used by format string`,
      highest + 1,
    );
  }
  return result;
}

function formatOne(verb: Verb, value: Value): string {
  const { mode } = verb;
  if (mode !== "v" && isNull(value)) throw unsupported(verb, "null value cannot be formatted");
  switch (mode) {
    case "v":
      return pad(verb, asIs(verb, value));
    case "t":
      return asBool(converted(verb, value, BOOL)) ? "true" : "false";
    case "b":
    case "d":
    case "o":
    case "x":
    case "X":
      return integer(verb, asNumber(converted(verb, value, NUMBER)));
    case "e":
    case "E":
    case "f":
    case "g":
    case "G":
      return padNumber(verb, float(verb, asNumber(converted(verb, value, NUMBER))));
    case "s":
    case "q": {
      const whole = asString(converted(verb, value, STRING));
      const { precision } = verb;
      const cut = precision !== undefined && precision > 0 ? graphemes(whole).slice(0, precision).join("") : whole;
      return pad(verb, mode === "q" ? valueToJson(stringValue(cut)) : cut);
    }
    default:
      throw new FunctionError(`unsupported format verb ${quote(mode)} in ${quote(verb.raw)} at offset ${verb.offset}`);
  }
}

function unsupported(verb: Verb, problem: string): FunctionError {
  return new FunctionError(`unsupported value for ${quote(verb.raw)} at ${verb.offset}: ${problem}`);
}

function converted(verb: Verb, value: Value, type: Type): Value {
  try {
    return convertValue(value, type);
  } catch (error) {
    if (error instanceof ConversionError) throw unsupported(verb, error.message);
    throw error;
  }
}

function asIs(verb: Verb, value: Value): string {
  if (!verb.flags.includes("#") && !isNull(value)) {
    if (value.type.kind === "string") return asString(value);
    if (value.type.kind === "number") return general(asNumber(value), undefined);
  }
  try {
    return valueToJson(value);
  } catch (error) {
    if (error instanceof ConversionError) throw unsupported(verb, error.message);
    throw error;
  }
}

function pad({ width, flags }: Verb, shown: string): string {
  const missing = (width ?? 0) - graphemes(shown).length;
  if (missing <= 0) return shown;
  const padding = (flags.includes("0") ? "0" : " ").repeat(missing);
  return flags.includes("-") ? shown + padding : padding + shown;
}

const radixes: Readonly<Record<string, number>> = { b: 2, o: 8, d: 10, x: 16, X: 16 };
const prefixes: Readonly<Record<string, string>> = { b: "0b", o: "0", x: "0x", X: "0X" };

function integer(verb: Verb, value: BigFloat): string {
  if (!value.isInteger) throw unsupported(verb, "an integer is required");
  const whole = value.truncate();
  const magnitude = (whole < 0n ? -whole : whole).toString(radixes[verb.mode]);
  let digits = verb.mode === "X" ? magnitude.toUpperCase() : magnitude;
  if (verb.precision !== undefined) {
    if (verb.precision === 0 && whole === 0n) return "";
    digits = digits.padStart(verb.precision, "0");
  }
  const prefix = verb.flags.includes("#") ? (prefixes[verb.mode] ?? "") : "";
  return padNumber(verb, { sign: whole < 0n ? "-" : "", body: prefix + digits });
}

interface Shown {
  readonly sign: string;
  readonly body: string;
}

/** The sign comes first, then zeros that fill the width. */
function padNumber({ width, flags, precision, mode }: Verb, { sign, body }: Shown): string {
  const shownSign = sign !== "" ? sign : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const missing = Math.max(0, (width ?? 0) - shownSign.length - body.length);
  if (flags.includes("-")) return shownSign + body + " ".repeat(missing);
  const zeros = flags.includes("0") && !(precision !== undefined && mode in radixes);
  return zeros ? shownSign + "0".repeat(missing) + body : " ".repeat(missing) + shownSign + body;
}

function float({ mode, precision }: Verb, value: BigFloat): Shown {
  const sign = value.negative ? "-" : "";
  if (value.kind === "infinite") return { sign: value.negative ? "-" : "+", body: "Inf" };
  const magnitude = value.absolute();
  if (mode === "f") return { sign, body: magnitude.toFixed(precision ?? 6) };
  if (mode === "e" || mode === "E") {
    const digits = precision ?? 6;
    return { sign, body: exponential(magnitude.nearestDecimal(digits + 1), digits, mode) };
  }
  return { sign, body: general(magnitude, precision, mode === "G" ? "E" : "e") };
}

/** %g: plain for numbers of usual size, else with an exponent. */
function general(value: BigFloat, precision: number | undefined, mark = "e"): string {
  if (value.kind === "infinite") return value.toString();
  const sign = value.negative ? "-" : "";
  const significant = precision === undefined ? undefined : Math.max(precision, 1);
  const decimal = significant === undefined ? value.shortestDecimal() : value.nearestDecimal(significant);
  if (decimal.digits === "") return `${sign}0`;
  const exponent = decimal.point - 1;
  let limit = significant ?? 6;
  if (significant !== undefined && limit > decimal.digits.length && decimal.digits.length >= decimal.point) {
    limit = decimal.digits.length;
  }
  if (exponent < -4 || exponent >= limit) return sign + exponential(decimal, decimal.digits.length - 1, mark);
  return (
    sign +
    value
      .absolute()
      .withPrecision(value.precision)
      .toFixed(Math.max(0, decimal.digits.length - decimal.point))
  );
}

function exponential({ digits, point }: Decimal, decimals: number, mark: string): string {
  const all = digits.padEnd(decimals + 1, "0");
  const exponent = digits === "" ? 0 : point - 1;
  const fraction = decimals > 0 ? `.${all.slice(1, decimals + 1)}` : "";
  const power = String(Math.abs(exponent)).padStart(2, "0");
  return `${all[0]}${fraction}${mark}${exponent < 0 ? "-" : "+"}${power}`;
}

function formatList([pattern, ...args]: readonly Value[]): Value {
  const shape = asString(pattern!);
  if (args.length === 0) return listValue([stringValue(format(shape, []))]);
  let length: number | undefined;
  let chooser = 0;
  const lists = args.map((arg, at) => {
    if (!isSequence(arg.type) || isNull(arg)) return undefined;
    const own = lengthOf(arg);
    if (length === undefined) [length, chooser] = [own, at];
    else if (own !== length) {
      throw new FunctionError(
        `argument ${at + 1} has length ${own}, which is inconsistent with argument ${chooser + 1} of length ${length}`,
        at + 1,
      );
    }
    return asElements(arg);
  });
  const results: Value[] = [];
  for (let at = 0; at < (length ?? 1); at++) {
    try {
      const values = args.map((arg, index) => lists[index]?.[at] ?? arg);
      results.push(stringValue(format(shape, values)));
    } catch (error) {
      if (error instanceof FunctionError) throw new FunctionError(`error on format iteration ${at}: ${error.message}`);
      throw error;
    }
  }
  return listValue(results, STRING);
}
