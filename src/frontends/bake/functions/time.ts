// Functions of dates and times. Counterpart: zclconf/go-cty cty/function/stdlib datetime.go; docker/buildx bake/hclparser/stdlib.go.

import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import { STRING } from "../values/types.ts";
import { asNumber, asString, numberValue, objectValue, stringValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { any, define, number, quote, text } from "./function.ts";

/** An instant and the offset from UTC that it is told in. */
interface Timestamp {
  readonly seconds: number;
  readonly offsetMinutes: number;
}

const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,]\d+)?(?:(Z)|([+-])(\d{2}):(\d{2}))$/;

export const timeFunctions: Readonly<Record<string, HclFunction>> = {
  formatdate: define([text("format"), text("time")], STRING, (format, time) =>
    stringValue(formatTime(asString(format), parseTimestamp(asString(time), 1))),
  ),
  formattimestamp: define([text("format"), any("time")], STRING, formatTimestamp),
  timeadd: define([text("timestamp"), text("duration")], STRING, (timestamp, duration) => {
    const start = parseTimestamp(asString(timestamp));
    return stringValue(
      toRfc3339({ ...start, seconds: Math.floor(start.seconds + durationSeconds(asString(duration))) }),
    );
  }),
  timestamp: define([], STRING, () =>
    stringValue(toRfc3339({ seconds: Math.floor(Date.now() / 1000), offsetMinutes: 0 })),
  ),
  unixtimestampparse: define([number("unix_timestamp")], undefined, parseUnix),
};

function parseTimestamp(given: string, argument?: number): Timestamp {
  const match = RFC3339.exec(given);
  const bad = (why: string) => new FunctionError(`not a valid RFC3339 timestamp: ${why}`, argument);
  if (match === null) throw bad(`cannot use ${quote(given)}`);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [, , , , , , , , sign, offsetHour = "0", offsetMinute = "0"] = match;
  if (month < 1 || month > 12) throw bad("month must be between 1 and 12 inclusive");
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) throw bad("day is out of range for the month");
  if (hour > 23) throw bad("hour must be between 0 and 23 inclusive");
  if (minute > 59 || Number(offsetMinute) > 59) throw bad("minute must be between 0 and 59 inclusive");
  if (second > 59) throw bad("second must be between 0 and 59 inclusive");
  const offsetMinutes = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === "-" ? -1 : 1);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const fraction = Number(`0.${/[.,](\d+)/.exec(given)?.[1] ?? "0"}`);
  return { seconds: date.getTime() / 1000 - offsetMinutes * 60 + fraction, offsetMinutes };
}

/** The date as its offset shows it, read with the UTC methods. */
function local({ seconds, offsetMinutes }: Timestamp): Date {
  return new Date((Math.floor(seconds) + offsetMinutes * 60) * 1000);
}

function zone({ offsetMinutes }: Timestamp, separator: string): string {
  const minutes = Math.abs(offsetMinutes);
  return `${offsetMinutes < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}${separator}${two(minutes % 60)}`;
}

function toRfc3339(time: Timestamp): string {
  const date = local(time);
  const day = `${String(date.getUTCFullYear()).padStart(4, "0")}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  const clock = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day}T${clock}${time.offsetMinutes === 0 ? "Z" : zone(time, ":")}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Letters are verbs, what stands in single quotes is literal. */
function formatTime(format: string, time: Timestamp): string {
  let result = "";
  for (let at = 0; at < format.length;) {
    const char = format[at]!;
    if (char === "'") {
      const literal = /^'(?:[^']|'')*'/.exec(format.slice(at))?.[0];
      if (literal === undefined) throw new FunctionError("unterminated literal '", 0);
      result += literal === "''" ? "'" : literal.slice(1, -1).replaceAll("''", "'");
      at += literal.length;
    } else if (/[a-zA-Z]/.test(char)) {
      const verb = new RegExp(`^${char}+`).exec(format.slice(at))![0];
      result += verbText(verb, time);
      at += verb.length;
    } else {
      result += char;
      at++;
    }
  }
  return result;
}

function verbText(verb: string, time: Timestamp): string {
  const date = local(time);
  const hour = date.getUTCHours();
  const month = date.getUTCMonth();
  const forms = (value: number, what: string): Record<string, string> => ({
    [what]: String(value),
    [what + what]: two(value),
  });
  const known: Readonly<Record<string, string>> = {
    YY: two(date.getUTCFullYear() % 100),
    YYYY: String(date.getUTCFullYear()).padStart(4, "0"),
    ...forms(month + 1, "M"),
    MMM: months[month]!.slice(0, 3),
    MMMM: months[month]!,
    ...forms(date.getUTCDate(), "D"),
    EEE: days[date.getUTCDay()]!.slice(0, 3),
    EEEE: days[date.getUTCDay()]!,
    ...forms(hour, "h"),
    ...forms(hour % 12 === 0 ? 12 : hour % 12, "H"),
    AA: hour < 12 ? "AM" : "PM",
    aa: hour < 12 ? "am" : "pm",
    ...forms(date.getUTCMinutes(), "m"),
    ...forms(date.getUTCSeconds(), "s"),
    Z: time.offsetMinutes === 0 ? "Z" : zone(time, ":"),
    ZZZ: time.offsetMinutes === 0 ? "UTC" : zone(time, ""),
    ZZZZ: zone(time, ""),
    ZZZZZ: zone(time, ":"),
  };
  const text = known[verb];
  if (text === undefined) throw new FunctionError(`invalid date format verb ${quote(verb)}`, 0);
  return text;
}

function formatTimestamp(formatValue: Value, value: Value): Value {
  const format = asString(formatValue);
  let time: Timestamp;
  if (value.type.kind === "string") time = parseTimestamp(asString(value), 1);
  else if (value.type.kind === "number") time = { seconds: unixSeconds(value, 1), offsetMinutes: 0 };
  else throw new FunctionError("must be a string timestamp or a unix timestamp number", 1);
  return stringValue(format === "X" ? String(Math.floor(time.seconds)) : formatTime(format, time));
}

function unixSeconds(value: Value, argument: number): number {
  const given = asNumber(value);
  const whole = given.isInteger ? given.truncate() : undefined;
  if (whole === undefined || whole >= 2n ** 63n || whole < -(2n ** 63n)) {
    throw new FunctionError("unix timestamp must be an integer", argument);
  }
  return Number(whole);
}

function parseUnix(value: Value): Value {
  const time = { seconds: unixSeconds(value, 0), offsetMinutes: 0 };
  const date = local(time);
  const year = date.getUTCFullYear();
  const dayOfYear =
    Math.floor((Date.UTC(year, date.getUTCMonth(), date.getUTCDate()) - Date.UTC(year, 0, 1)) / 86_400_000) + 1;
  const iso = isoWeek(date);
  return objectValue([
    ["year", numberValue(year)],
    ["year_day", numberValue(dayOfYear)],
    ["day", numberValue(date.getUTCDate())],
    ["month", numberValue(date.getUTCMonth() + 1)],
    ["month_name", stringValue(months[date.getUTCMonth()]!)],
    ["weekday", numberValue(date.getUTCDay())],
    ["weekday_name", stringValue(days[date.getUTCDay()]!)],
    ["hour", numberValue(date.getUTCHours())],
    ["minute", numberValue(date.getUTCMinutes())],
    ["second", numberValue(date.getUTCSeconds())],
    ["rfc3339", stringValue(toRfc3339(time))],
    ["iso_year", numberValue(iso.year)],
    ["iso_week", numberValue(iso.week)],
  ]);
}

/** The week that holds a day's Thursday, and that Thursday's year. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));
  thursday.setUTCDate(thursday.getUTCDate() + 4 - (thursday.getUTCDay() || 7));
  const year = thursday.getUTCFullYear();
  return { year, week: Math.ceil(((thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000 + 1) / 7) };
}

const units: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  μs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** Go's notation: `1h30m`, `-1.5s`. */
function durationSeconds(given: string): number {
  const match = /^([+-]?)(.+)$/.exec(given);
  const [, sign, rest = ""] = match ?? [];
  if (rest === "0") return 0;
  const parts = [...rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gu)];
  if (match === null || parts.map(([part]) => part).join("") !== rest || parts.length === 0) {
    throw new FunctionError(`time: invalid duration ${quote(given)}`);
  }
  const total = parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0);
  return sign === "-" ? -total : total;
}
