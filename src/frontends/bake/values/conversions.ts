// Which values of one type can become another, and how; and the type that values of several types can all become. A conversion is
// chosen by types alone; one that may still fail for a value (text to number) counts as "unsafe".
// Counterpart: zclconf/go-cty cty/convert.

import { BigFloat } from "./big-float.ts";
import {
  DYNAMIC,
  equalTypes,
  isCollection,
  isPrimitive,
  isSequence,
  listOf,
  mapOf,
  objectOf,
  tupleOf,
  withoutOptional,
} from "./types.ts";
import type { Type } from "./types.ts";
import {
  asEntries,
  asNumber,
  asString,
  boolValue,
  elementsOf,
  isKnown,
  isNull,
  listValue,
  mapValue,
  nullOf,
  objectValue,
  setValue,
  stringValue,
  tupleValue,
  unknownOf,
} from "./value.ts";
import type { Value } from "./value.ts";

/** Why a value can't be converted; the message is a part of a sentence. */
export class ConversionError extends Error {}

/** Two types without a conversion. */
export class MismatchError extends Error {
  readonly got: Type;
  readonly want: Type;

  constructor(got: Type, want: Type) {
    super(`${got.kind} can't become ${want.kind}`);
    this.got = got;
    this.want = want;
  }
}

/** @throws ConversionError, MismatchError. */
export type Conversion = (value: Value) => Value;

/** @throws ConversionError, MismatchError. */
export function convertKnown(value: Value, to: Type): Value {
  if (equalTypes(value.type, withoutOptional(to))) return value;
  const conversion = findConversion(value.type, to, true);
  if (conversion === undefined) throw new MismatchError(value.type, to);
  return conversion(value);
}

/** Undefined where no value of `from` can become a `to`; with `unsafe` also conversions that may fail count. */
export function findConversion(from: Type, to: Type, unsafe: boolean): Conversion | undefined {
  const known = knownConversion(from, to, unsafe);
  if (known === undefined) return undefined;
  return (value) => {
    if (to.kind === "dynamic") return value;
    if (!isKnown(value)) return unknownOf(settled(value.type, to));
    if (isNull(value)) return nullOf(settled(value.type, to));
    return known(value);
  };
}

/** The type of a null or unknown value after conversion: what `to` leaves open is as it was. */
function settled(from: Type, to: Type): Type {
  const type = withoutOptional(to);
  if (type.kind === "dynamic") return from;
  if (isCollection(type) && isCollection(from))
    return { kind: type.kind, element: settled(from.element, type.element) };
  return type;
}

function knownConversion(from: Type, to: Type, unsafe: boolean): Conversion | undefined {
  if (to.kind === "dynamic") return (value) => value;
  if (from.kind === "dynamic") return unsafe ? (value) => convertKnown(value, to) : undefined;
  if (isPrimitive(from) && isPrimitive(to)) return primitive(from, to, unsafe);
  if (to.kind === "object" && from.kind === "object") return objectToObject(from, to, unsafe);
  if (to.kind === "tuple" && from.kind === "tuple") return tupleToTuple(from, to, unsafe);
  if (to.kind === "object" && from.kind === "map") return unsafe ? mapToObject(from, to) : undefined;
  if (!isCollection(to)) return undefined;
  if (to.kind === "map") {
    if (from.kind !== "map" && from.kind !== "object") return undefined;
    return toCollection(from, to, unsafe, (keys, values, element) =>
      mapValue(
        values.map((value, at) => [keys[at]!, value] as const),
        element,
      ),
    );
  }
  if (!isSequence(from)) return undefined;
  if (to.kind === "set" && from.kind === "list" && !unsafe) return undefined;
  return toCollection(from, to, unsafe, (_, values, element) =>
    to.kind === "set" ? setValue(values, element) : listValue(values, element),
  );
}

function primitive(from: Type, to: Type, unsafe: boolean): Conversion | undefined {
  if (from.kind === to.kind) return (value) => value;
  if (to.kind === "string") {
    return from.kind === "number"
      ? (value) => stringValue(asNumber(value).toString())
      : (value) => stringValue(value.raw === true ? "true" : "false");
  }
  if (!unsafe || from.kind !== "string") return undefined;
  return to.kind === "number" ? textToNumber : textToBool;
}

function textToNumber(value: Value): Value {
  const number = BigFloat.parse(asString(value));
  if (number === undefined) throw new ConversionError("a number is required");
  return { type: { kind: "number" }, raw: number };
}

function textToBool(value: Value): Value {
  const text = asString(value);
  if (text === "true" || text === "1") return boolValue(true);
  if (text === "false" || text === "0") return boolValue(false);
  const lower = text.toLowerCase();
  const hint = lower === "true" || lower === "false" ? `; to convert from string, use lowercase "${lower}"` : "";
  throw new ConversionError(`a bool is required${hint}`);
}

type ObjectType = Extract<Type, { kind: "object" }>;
type TupleType = Extract<Type, { kind: "tuple" }>;
type CollectionType = Extract<Type, { element: Type }>;

/** Attributes that the target has not are dropped; those that it calls optional may be missing. */
function objectToObject(from: ObjectType, to: ObjectType, unsafe: boolean): Conversion | undefined {
  const conversions = new Map<string, Conversion | undefined>();
  for (const [name, type] of to.attributes) {
    const theirs = from.attributes.get(name);
    if (theirs === undefined) {
      if (to.optional?.has(name) !== true) return undefined;
      continue;
    }
    if (equalTypes(theirs, type)) conversions.set(name, undefined);
    else {
      const conversion = findConversion(theirs, type, unsafe);
      if (conversion === undefined) return undefined;
      conversions.set(name, conversion);
    }
  }
  return (value) => {
    const entries = asEntries(value);
    return objectValue(
      [...to.attributes].map(([name, type]) => {
        const each = entries.get(name);
        if (each === undefined) return [name, nullOf(withoutOptional(type))];
        return [name, conversions.get(name)?.(each) ?? each];
      }),
    );
  };
}

function mapToObject(from: CollectionType, to: ObjectType): Conversion | undefined {
  for (const [name, type] of to.attributes) {
    if (findConversion(from.element, type, true) === undefined && to.optional?.has(name) !== true) return undefined;
  }
  return (value) => {
    const entries = asEntries(value);
    return objectValue(
      [...to.attributes].map(([name, type]) => {
        const each = entries.get(name);
        if (each !== undefined) return [name, convertKnown(each, type)];
        if (to.optional?.has(name) === true) return [name, nullOf(withoutOptional(type))];
        throw new ConversionError(`map has no element for required attribute ${JSON.stringify(name)}`);
      }),
    );
  };
}

function tupleToTuple(from: TupleType, to: TupleType, unsafe: boolean): Conversion | undefined {
  if (from.elements.length !== to.elements.length) return undefined;
  const conversions = from.elements.map((each, at) => findConversion(each, to.elements[at]!, unsafe));
  if (conversions.includes(undefined)) return undefined;
  return (value) => tupleValue(elementsOf(value).map(([, each], at) => conversions[at]!(each)));
}

/** From any value with elements: each becomes the element type, which is found by unification where it is left open. */
function toCollection(
  from: Type,
  to: CollectionType,
  unsafe: boolean,
  make: (keys: string[], values: Value[], element: Type) => Value,
): Conversion | undefined {
  const types = elementTypes(from);
  let element = to.element;
  if (element.kind === "dynamic" && !isCollection(from) && types.length > 0) {
    const unified = unify(types, unsafe)?.type;
    if (unified === undefined) return undefined;
    if (unified.kind === "dynamic" && types.some(({ kind }) => kind !== "dynamic")) return undefined;
    element = unified;
  }
  const conversions = types.map((type) => findConversion(type, element, unsafe));
  if (conversions.includes(undefined)) return undefined;
  return (value) => {
    const elements = elementsOf(value);
    const values = elements.map(([, each], at) => conversions[isCollection(from) ? 0 : at]!(each));
    const empty = element.kind === "dynamic" && isCollection(from) ? from.element : withoutOptional(element);
    const made = uniform(values, to.kind);
    return make(
      elements.map(([key]) => (to.kind === "map" ? asString(key) : "")),
      made,
      empty,
    );
  };
}

function elementTypes(type: Type): readonly Type[] {
  if (isCollection(type)) return [type.element];
  if (type.kind === "tuple") return type.elements;
  return type.kind === "object" ? [...type.attributes.values()] : [];
}

/** Values of one type: those that still differ (nested collections) are unified. */
function uniform(values: Value[], kind: "list" | "set" | "map"): Value[] {
  const first = values[0];
  if (first === undefined || values.every((each) => equalTypes(each.type, first.type))) return values;
  const unified = unify(
    values.map(({ type }) => type),
    true,
  );
  if (unified === undefined || unified.type.kind === "dynamic") {
    throw new ConversionError(`element types must all match for conversion to ${kind}`);
  }
  return values.map((value, at) => unified.conversions[at]?.(value) ?? value);
}

export interface Unified {
  readonly type: Type;
  /** One for each type given; undefined where nothing is to be done. */
  readonly conversions: readonly (Conversion | undefined)[];
}

/** Undefined where there is no such type. */
export function unify(types: readonly Type[], unsafe: boolean): Unified | undefined {
  if (types.length === 0) return undefined;
  const count = (...kinds: Type["kind"][]) => types.filter(({ kind }) => kinds.includes(kind)).length;
  const all = (kind: Type["kind"], ...others: Type["kind"][]) =>
    count(kind) > 0 && count(kind, "dynamic", ...others) === types.length;

  for (const kind of ["map", "list", "set"] as const) {
    if (all(kind)) return unifyCollections(types, kind, unsafe);
    const structural = kind === "map" ? "object" : "tuple";
    if (kind !== "set" && all(kind, structural)) {
      const unified = unifyDisguised(types, kind, structural, unsafe);
      if (unified !== undefined) return unified;
    }
  }
  if (all("object")) return unifyObjects(types as ObjectType[], unsafe);
  if (all("tuple")) return unifyTuples(types as TupleType[], unsafe);
  if (count("object") > 0 && count("tuple") > 0) return undefined;

  for (const at of byPreference(types)) {
    const unified = convertAll(types, types[at]!, unsafe);
    if (unified !== undefined) return unified;
  }
  return undefined;
}

function convertAll(types: readonly Type[], to: Type, unsafe: boolean): Unified | undefined {
  const conversions: (Conversion | undefined)[] = [];
  for (const type of types) {
    const conversion = equalTypes(type, to) ? undefined : findConversion(type, to, unsafe);
    if (conversion === undefined && !equalTypes(type, to)) return undefined;
    conversions.push(conversion);
  }
  return { type: to, conversions };
}

function allDynamic(types: readonly Type[]): Unified {
  return { type: DYNAMIC, conversions: types.map(() => undefined) };
}

function unifyCollections(types: readonly Type[], kind: "map" | "list" | "set", unsafe: boolean): Unified | undefined {
  if (types.some((type) => type.kind === "dynamic")) return allDynamic(types);
  const element = unify(
    types.map((type) => (isCollection(type) ? type.element : DYNAMIC)),
    unsafe,
  )?.type;
  return element === undefined ? undefined : convertAll(types, { kind, element }, unsafe);
}

/** Objects beside maps are maps in disguise, tuples beside lists are lists. */
function unifyDisguised(
  types: readonly Type[],
  kind: "map" | "list",
  structural: "object" | "tuple",
  unsafe: boolean,
): Unified | undefined {
  const disguised = types.filter((type) => type.kind === structural);
  const plain = unifyToCollection(disguised, kind, unsafe)?.type;
  if (plain === undefined) return undefined;
  const unified = unify(
    types.map((type) => (type.kind === structural ? plain : type)),
    unsafe,
  );
  if (unified === undefined || unified.type.kind !== kind) return undefined;
  return convertAll(types, unified.type, unsafe);
}

function unifyToCollection(types: readonly Type[], kind: "map" | "list", unsafe: boolean): Unified | undefined {
  const inner = types.flatMap((type): readonly Type[] =>
    type.kind === "object" ? [...type.attributes.values()] : type.kind === "tuple" ? type.elements : [],
  );
  const element = unify(inner, unsafe)?.type;
  return element === undefined
    ? undefined
    : convertAll(types, kind === "map" ? mapOf(element) : listOf(element), unsafe);
}

function unifyObjects(types: readonly ObjectType[], unsafe: boolean): Unified | undefined {
  if (types.some((type) => type.kind !== "object")) return allDynamic(types);
  const names = [...types[0]!.attributes.keys()];
  const same = types.every(
    ({ attributes }) => attributes.size === names.length && names.every((name) => attributes.has(name)),
  );
  if (!same) return unifyToCollection(types, "map", unsafe);
  const attributes = new Map<string, Type>();
  for (const name of names) {
    const unified = unify(
      types.map((type) => type.attributes.get(name)!),
      unsafe,
    );
    if (unified === undefined) return undefined;
    attributes.set(name, unified.type);
  }
  return convertAll(types, objectOf(attributes), unsafe) ?? unifyToCollection(types, "map", unsafe);
}

function unifyTuples(types: readonly TupleType[], unsafe: boolean): Unified | undefined {
  if (types.some((type) => type.kind !== "tuple")) return allDynamic(types);
  const { length } = types[0]!.elements;
  if (types.some(({ elements }) => elements.length !== length)) return unifyToCollection(types, "list", unsafe);
  const elements: Type[] = [];
  for (let at = 0; at < length; at++) {
    const unified = unify(
      types.map((type) => type.elements[at]!),
      unsafe,
    );
    if (unified === undefined) return undefined;
    elements.push(unified.type);
  }
  return convertAll(types, tupleOf(elements), unsafe) ?? unifyToCollection(types, "list", unsafe);
}

/** Indexes of the types, those that others convert to first. */
function byPreference(types: readonly Type[]): number[] {
  const below = types.map((): number[] => []);
  const above = types.map(() => 0);
  for (let i = 0; i < types.length; i++) {
    for (let j = i + 1; j < types.length; j++) {
      const order = compareTypes(types[i]!, types[j]!);
      if (order < 0) below[i]!.push(j);
      else if (order > 0) below[j]!.push(i);
      if (order !== 0) above[order < 0 ? j : i]!++;
    }
  }
  const queue = above.flatMap((n, at) => (n === 0 ? [at] : []));
  for (let head = 0; head < queue.length; head++) {
    for (const at of below[queue[head]!]!) if (--above[at]! === 0) queue.push(at);
  }
  return queue;
}

/** Negative where `a` is the more general type. */
function compareTypes(a: Type, b: Type): number {
  if (a.kind === "dynamic" || b.kind === "dynamic") return a.kind === b.kind ? 0 : a.kind === "dynamic" ? 1 : -1;
  if (isPrimitive(a) && isPrimitive(b))
    return a.kind === b.kind ? 0 : a.kind === "string" ? -1 : b.kind === "string" ? 1 : 0;
  if (isCollection(a) && isCollection(b) && a.kind === b.kind) return compareTypes(a.element, b.element);
  const generality = (type: Type) => ["list", "map"].indexOf(type.kind) >= 0;
  if (b.kind === "set" && (a.kind === "tuple" || a.kind === "list")) return -1;
  if (a.kind === "set" && (b.kind === "tuple" || b.kind === "list")) return 1;
  if (generality(a) && (b.kind === "tuple" || b.kind === "object")) return pairs(a, b) ? -1 : 0;
  if (generality(b) && (a.kind === "tuple" || a.kind === "object")) return pairs(b, a) ? 1 : 0;
  if (a.kind === "object" && b.kind === "object") {
    if (a.attributes.size !== b.attributes.size) return 0;
    const orders: number[] = [];
    for (const [name, type] of a.attributes) {
      const theirs = b.attributes.get(name);
      if (theirs === undefined) return 0;
      orders.push(compareTypes(type, theirs));
    }
    return together(orders);
  }
  if (a.kind === "tuple" && b.kind === "tuple") {
    if (a.elements.length !== b.elements.length) return 0;
    return together(a.elements.map((type, at) => compareTypes(type, b.elements[at]!)));
  }
  return 0;
}

function pairs(collection: Type, structural: Type): boolean {
  return collection.kind === "list" ? structural.kind === "tuple" : structural.kind === "object";
}

function together(orders: number[]): number {
  const less = orders.some((order) => order < 0);
  const more = orders.some((order) => order > 0);
  return less === more ? 0 : less ? -1 : 1;
}
