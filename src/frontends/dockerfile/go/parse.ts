// Go's number, boolean and duration parsers with their error texts, which BuildKit shows as they are.
// Counterpart: Go strconv, time.ParseDuration.

import { FrontendError } from "../source-error.ts";
import { quote } from "./format.ts";

/** What went wrong, for callers that word it differently. */
export type NumberProblem = "invalid syntax" | "value out of range";

/** A whole number in `base` within signed `bits`, or the problem. */
export function tryParseInt(text: string, base: 8 | 10, bits: 32 | 64): bigint | NumberProblem {
  const negative = text.startsWith("-");
  const digits = negative || text.startsWith("+") ? text.slice(1) : text;
  const magnitude = parseDigits(digits, base);
  if (magnitude === undefined) return "invalid syntax";
  const limit = 1n << BigInt(bits - 1);
  if (negative ? magnitude > limit : magnitude >= limit) return "value out of range";
  return negative ? -magnitude : magnitude;
}

/** A whole number without sign in `base` within `bits`, or the problem. */
export function tryParseUint(text: string, base: 8 | 10, bits: 32 | 64): bigint | NumberProblem {
  const value = parseDigits(text, base);
  if (value === undefined) return "invalid syntax";
  return value >= 1n << BigInt(bits) ? "value out of range" : value;
}

/** @throws FrontendError `strconv.ParseInt: parsing "x": invalid syntax` */
export function parseInteger(text: string, base: 8 | 10, bits: 32 | 64): bigint {
  const value = tryParseInt(text, base, bits);
  if (typeof value === "string") throw numberError("ParseInt", text, value);
  return value;
}

/** @throws FrontendError `strconv.ParseUint: parsing "x": invalid syntax` */
export function parseUnsigned(text: string, base: 8 | 10, bits: 32 | 64): bigint {
  const value = tryParseUint(text, base, bits);
  if (typeof value === "string") throw numberError("ParseUint", text, value);
  return value;
}

export function numberError(func: string, text: string, problem: NumberProblem): FrontendError {
  return new FrontendError(`strconv.${func}: parsing ${quote(text)}: ${problem}`);
}

// Very long digit strings are out of range anyway; they are cut so that BigInt never sees them.
function parseDigits(digits: string, base: 8 | 10): bigint | undefined {
  if (!(base === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(digits)) return undefined;
  const plain = digits.replace(/^0+(?=.)/, "").slice(0, 30);
  return BigInt(base === 8 ? `0o${plain}` : plain);
}

/** true or false as Go's ParseBool reads it, or undefined. */
export function tryParseBool(text: string): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  return undefined;
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const MAX = 1n << 63n;

/** A duration such as `1h15m30.5s` in nanoseconds. @throws FrontendError `time: invalid duration "x"` and its variants */
export function parseDuration(text: string): bigint {
  const fail = (reason: string) => new FrontendError(`time: ${reason} ${quoteDuration(text)}`);
  let rest = text;
  const negative = rest.startsWith("-");
  if (negative || rest.startsWith("+")) rest = rest.slice(1);
  if (rest === "0") return 0n;
  if (rest === "") throw fail("invalid duration");
  let total = 0n;
  while (rest !== "") {
    const number = /^([0-9]*)(?:\.([0-9]*))?/.exec(rest)!;
    const whole = number[1]!;
    const fraction = number[2] ?? "";
    if (number[0] === "" || (whole === "" && fraction === "")) throw fail("invalid duration");
    if (whole.replace(/^0+/, "").length > 19 || BigInt(whole || "0") > MAX) throw fail("invalid duration");
    rest = rest.slice(number[0].length);
    const unitText = /^[^.0-9]*/.exec(rest)![0];
    if (unitText === "") throw fail("missing unit in duration");
    const unit = Object.hasOwn(UNITS, unitText) ? UNITS[unitText] : undefined;
    if (unit === undefined) throw fail(`unknown unit ${quoteDuration(unitText)} in duration`);
    rest = rest.slice(unitText.length);
    const value = BigInt(whole || "0") * unit;
    if (value > MAX) throw fail("invalid duration");
    total += value + fractionOf(fraction, unit);
    if (total > MAX) throw fail("invalid duration");
  }
  if (negative) return -total;
  if (total >= MAX) throw fail("invalid duration");
  return total;
}

// Go computes the fraction in floating point, and cuts it.
function fractionOf(digits: string, unit: bigint): bigint {
  if (digits === "") return 0n;
  let scale = 1;
  let value = 0;
  for (const digit of digits.slice(0, 18)) {
    value = value * 10 + Number(digit);
    scale *= 10;
  }
  return value === 0 ? 0n : BigInt(Math.trunc(value * (Number(unit) / scale)));
}

// time has its own quoting: only quotes and backslashes are escaped, control and non-ASCII bytes are written as \xNN.
function quoteDuration(text: string): string {
  let out = '"';
  for (const byte of Buffer.from(text)) {
    const char = String.fromCharCode(byte);
    if (byte < 0x20 || byte >= 0x80) out += `\\x${byte.toString(16).padStart(2, "0")}`;
    else out += char === '"' || char === "\\" ? `\\${char}` : char;
  }
  return `${out}"`;
}
