// What a scalar without quotes means. Compose's YAML is 1.2 with remains of 1.1: `yes` is a text, `010` is eight.
// Counterpart: go.yaml.in/yaml v4 resolve.

import type { ComposeValue } from "./value.ts";

const constants = new Map<string, ComposeValue>([
  ...["true", "True", "TRUE"].map((text) => [text, true] as const),
  ...["false", "False", "FALSE"].map((text) => [text, false] as const),
  ...["", "~", "null", "Null", "NULL"].map((text) => [text, null] as const),
  ...[".nan", ".NaN", ".NAN"].map((text) => [text, Number.NaN] as const),
  ...[".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"].map((text) => [text, Number.POSITIVE_INFINITY] as const),
  ...["-.inf", "-.Inf", "-.INF"].map((text) => [text, Number.NEGATIVE_INFINITY] as const),
]);

const float = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const minInt = -(2n ** 63n);
const maxUint = 2n ** 64n - 1n;

/** The value of a plain scalar. */
export function resolveScalar(text: string): ComposeValue {
  const constant = constants.get(text);
  if (constant !== undefined) return constant;
  if (!/^[-+.0-9]/.test(text)) return text;
  if (!text.startsWith(".")) {
    const time = timestamp(text);
    if (time !== undefined) return time;
  }
  const plain = text.replaceAll("_", "");
  if (!text.startsWith(".")) {
    const whole = integer(plain);
    if (whole !== undefined) return whole;
  }
  if (float.test(plain)) return Number(plain);
  return text;
}

function integer(text: string): bigint | undefined {
  const match = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/.exec(text);
  if (match === null) return undefined;
  const [, sign, hex, binary, octal, decimal] = match;
  let digits = decimal ?? "";
  if (hex !== undefined) digits = `0x${hex}`;
  else if (binary !== undefined) digits = `0b${binary}`;
  else if (octal !== undefined) digits = `0o${octal}`;
  const value = sign === "-" ? -BigInt(digits) : BigInt(digits);
  return value < minInt || value > maxUint ? undefined : value;
}

const time =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt]|[ \t]+)(\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?(?:[ \t]*(Z|[-+]\d{2}:\d{2}))?)?$/;

/** A moment as Go writes it, which is all that is ever seen of it. */
function timestamp(text: string): string | undefined {
  const match = time.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone = "Z"] = match;
  if (match[4] === undefined && text.length !== 10 && !/^\d{4}-\d{1,2}-\d{1,2}$/.test(text)) return undefined;
  const date = new Date(
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)),
  );
  const valid =
    date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCDate() === Number(day) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60;
  if (!valid) return undefined;
  const shown = date.toISOString().slice(0, 19).replace("T", " ");
  const digits = fraction.slice(0, 10).replace(/\.?0+$/, "");
  const offset = zone === "Z" ? "+0000" : zone.replace(":", "");
  return `${shown}${digits} ${offset} ${offset === "+0000" ? "UTC" : offset}`;
}
