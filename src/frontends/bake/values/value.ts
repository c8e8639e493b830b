// Values of HCL expressions: immutable, typed, possibly null, possibly unknown (what an expression that failed stands for, so that
// work can go on and find further mistakes). Strings are kept in NFC. Keys of maps and attributes of objects are in byte order,
// elements of sets are sorted and unique.
// Counterpart: zclconf/go-cty cty/value.go.

import { BigFloat } from "./big-float.ts";
import {
  BOOL,
  DYNAMIC,
  NUMBER,
  STRING,
  TYPE,
  equalTypes,
  isSequence,
  listOf,
  mapOf,
  objectOf,
  setOf,
  tupleOf,
} from "./types.ts";
import type { Type } from "./types.ts";

export type Raw = string | boolean | BigFloat | Type | readonly Value[] | ReadonlyMap<string, Value>;

export interface Value {
  readonly type: Type;
  /** `null` for null, `undefined` for unknown. */
  readonly raw: Raw | null | undefined;
}

export const UNKNOWN: Value = { type: DYNAMIC, raw: undefined };
export const NULL: Value = { type: DYNAMIC, raw: null };
export const TRUE: Value = { type: BOOL, raw: true };
export const FALSE: Value = { type: BOOL, raw: false };

export function stringValue(text: string): Value {
  return { type: STRING, raw: text.normalize("NFC") };
}

export function numberValue(number: BigFloat | number | bigint): Value {
  if (number instanceof BigFloat) return { type: NUMBER, raw: number };
  return {
    type: NUMBER,
    raw: typeof number === "number" && !Number.isInteger(number) ? BigFloat.double(number) : BigFloat.integer(number),
  };
}

export function boolValue(bool: boolean): Value {
  return bool ? TRUE : FALSE;
}

export function typeValue(type: Type): Value {
  return { type: TYPE, raw: type };
}

export function nullOf(type: Type): Value {
  return { type, raw: null };
}

export function unknownOf(type: Type): Value {
  return { type, raw: undefined };
}

export function tupleValue(elements: readonly Value[]): Value {
  return { type: tupleOf(elements.map(({ type }) => type)), raw: elements };
}

export function objectValue(attributes: Iterable<readonly [string, Value]>): Value {
  const sorted = sortedMap(attributes);
  return { type: objectOf(new Map([...sorted].map(([name, { type }]) => [name, type]))), raw: sorted };
}

/** `element` is the type where there are no elements. All elements must have one type. */
export function listValue(elements: readonly Value[], element: Type = DYNAMIC): Value {
  return { type: listOf(elements[0]?.type ?? element), raw: elements };
}

/** Sorts and drops what is there twice. */
export function setValue(elements: readonly Value[], element: Type = DYNAMIC): Value {
  const unique: Value[] = [];
  for (const each of [...elements].sort(compareElements)) {
    const last = unique.at(-1);
    if (last === undefined || !rawEquals(last, each)) unique.push(each);
  }
  return { type: setOf(elements[0]?.type ?? element), raw: unique };
}

export function mapValue(entries: Iterable<readonly [string, Value]>, element: Type = DYNAMIC): Value {
  const sorted = sortedMap(entries);
  const [first] = sorted.values();
  return { type: mapOf(first?.type ?? element), raw: sorted };
}

export function isNull(value: Value): boolean {
  return value.raw === null;
}

export function isKnown(value: Value): boolean {
  return value.raw !== undefined;
}

export function isWhollyKnown(value: Value): boolean {
  const { raw } = value;
  if (raw === undefined) return false;
  if (Array.isArray(raw)) return (raw as Value[]).every(isWhollyKnown);
  return raw instanceof Map ? [...(raw as Map<string, Value>).values()].every(isWhollyKnown) : true;
}

export function asString(value: Value): string {
  return value.raw as string;
}

export function asNumber(value: Value): BigFloat {
  return value.raw as BigFloat;
}

export function asBool(value: Value): boolean {
  return value.raw as boolean;
}

/** Elements of a known list, set or tuple. */
export function asElements(value: Value): readonly Value[] {
  return value.raw as readonly Value[];
}

/** Entries of a known map or object. */
export function asEntries(value: Value): ReadonlyMap<string, Value> {
  return value.raw as ReadonlyMap<string, Value>;
}

/** Whether a known value that is not null has elements to walk over. */
export function canIterate(value: Value): boolean {
  const { kind } = value.type;
  return (
    value.raw !== null && value.raw !== undefined && (isSequence(value.type) || kind === "map" || kind === "object")
  );
}

/** Key and element of each element, in the language's order. Keys of sets are the elements. */
export function elementsOf(value: Value): (readonly [Value, Value])[] {
  if (value.type.kind === "map" || value.type.kind === "object") {
    return [...asEntries(value)].map(([key, each]) => [stringValue(key), each]);
  }
  return asElements(value).map((each, at) => [value.type.kind === "set" ? each : numberValue(at), each]);
}

export function lengthOf(value: Value): number {
  return value.type.kind === "map" || value.type.kind === "object" ? asEntries(value).size : asElements(value).length;
}

/** Equal types, and equal data at any depth; unknown values equal each other. */
export function rawEquals(a: Value, b: Value): boolean {
  return equalTypes(a.type, b.type) && equalData(a, b);
}

/** Equality as `==` sees it: no conversion, values of different types differ. Undefined where something is unknown. */
export function equalValues(a: Value, b: Value): boolean | undefined {
  if (a.raw === null && b.raw === null) return true;
  if (a.raw === undefined || b.raw === undefined) return undefined;
  if (a.raw === null || b.raw === null) return false;
  if (!equalTypes(a.type, b.type)) return a.type.kind === "dynamic" || b.type.kind === "dynamic" ? undefined : false;
  if (!isWhollyKnown(a) || !isWhollyKnown(b)) return undefined;
  return equalData(a, b);
}

function equalData(a: Value, b: Value): boolean {
  const [x, y] = [a.raw, b.raw];
  if (x === null || y === null || x === undefined || y === undefined) return x === y;
  if (x instanceof BigFloat) return x.compare(y as BigFloat) === 0;
  if (Array.isArray(x)) {
    const other = y as Value[];
    return x.length === other.length && (x as Value[]).every((each, at) => rawEquals(each, other[at]!));
  }
  if (x instanceof Map) {
    const other = y as ReadonlyMap<string, Value>;
    if (x.size !== other.size) return false;
    return [...(x as Map<string, Value>)].every(([key, each]) => {
      const theirs = other.get(key);
      return theirs !== undefined && rawEquals(each, theirs);
    });
  }
  if (a.type.kind === "type") return equalTypes(x as Type, y as Type);
  return x === y;
}

/** Order of text by its UTF-8 bytes. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x === y) continue;
    // Surrogates stand for code points above all others of the basic plane.
    const rank = (code: number) =>
      code >= 0xd800 && code <= 0xdfff ? code + 0x2000 : code >= 0xe000 ? code - 0x800 : code;
    return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function compareElements(a: Value, b: Value): number {
  if (a.raw === null || b.raw === null) return (a.raw === null ? 1 : 0) - (b.raw === null ? 1 : 0);
  if (a.raw === undefined || b.raw === undefined) return (a.raw === undefined ? 1 : 0) - (b.raw === undefined ? 1 : 0);
  if (a.type.kind === "string") return compareText(asString(a), asString(b));
  if (a.type.kind === "number") return asNumber(a).compare(asNumber(b));
  if (a.type.kind === "bool") return Number(a.raw) - Number(b.raw);
  return compareText(hashText(a), hashText(b));
}

/** Text that orders values without an order of their own as go-cty orders them. */
function hashText(value: Value): string {
  const { raw, type } = value;
  if (raw === undefined) return "?";
  if (raw === null) return "~";
  if (raw instanceof BigFloat) return raw.toString();
  if (typeof raw === "string") return JSON.stringify(raw);
  if (typeof raw === "boolean") return raw ? "T" : "F";
  if (type.kind === "map") {
    return `{${[...asEntries(value)].map(([key, each]) => `${JSON.stringify(key)}:${hashText(each)};`).join("")}}`;
  }
  if (type.kind === "object") return `<${[...asEntries(value).values()].map((each) => `${hashText(each)};`).join("")}>`;
  const [open, close] = type.kind === "tuple" ? ["<", ">"] : ["[", "]"];
  return `${open}${asElements(value)
    .map((each) => `${hashText(each)};`)
    .join("")}${close}`;
}

function sortedMap(entries: Iterable<readonly [string, Value]>): ReadonlyMap<string, Value> {
  const map = new Map(entries);
  return new Map([...map].sort(([a], [b]) => compareText(a, b)));
}
