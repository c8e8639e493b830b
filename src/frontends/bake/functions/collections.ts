// Functions of lists, maps and objects. Counterpart: zclconf/go-cty cty/function/stdlib collection.go, sequence.go.

import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { unify } from "../values/conversions.ts";
import { BOOL, DYNAMIC, NUMBER, STRING, equalTypes, isSequence, listOf, typeName } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import {
  UNKNOWN,
  asElements,
  asEntries,
  asNumber,
  asString,
  boolValue,
  elementsOf,
  equalValues,
  isNull,
  lengthOf,
  listValue,
  mapValue,
  numberValue,
  objectValue,
  setValue,
  stringValue,
  tupleValue,
} from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { any, anyOrNull, define, defineVariadic, list, number, quote, text, texts, wholeNumber } from "./function.ts";

export const collectionFunctions: Readonly<Record<string, HclFunction>> = {
  chunklist: define([list("list"), number("size")], undefined, chunk),
  coalesce: defineVariadic([], anyOrNull("vals"), undefined, coalesce),
  coalescelist: defineVariadic([], anyOrNull("vals"), undefined, coalesceList),
  compact: define([texts("list")], listOf(STRING), (values) =>
    listValue(
      asElements(values).filter((each) => !isNull(each) && asString(each) !== ""),
      STRING,
    ),
  ),
  concat: defineVariadic([], any("seqs"), undefined, concat),
  contains: define([any("list"), any("value")], BOOL, (values, value) => {
    if (!isSequence(values.type)) throw new FunctionError("argument must be list, tuple, or set");
    return boolValue(asElements(values).some((each) => equalValues(value, each) === true));
  }),
  distinct: define([list("list")], undefined, (values) => {
    const kept: Value[] = [];
    for (const each of asElements(values))
      if (!kept.some((other) => equalValues(other, each) === true)) kept.push(each);
    return listValue(kept, elementType(values));
  }),
  element: define([any("list"), number("index")], undefined, element),
  flatten: define([any("list")], undefined, (values) => {
    if (!isSequence(values.type)) throw new FunctionError("can only flatten lists, sets and tuples");
    return tupleValue(flat(values));
  }),
  hasindex: define([any("collection"), any("key")], BOOL, (collection, key) => {
    indexable(collection);
    return boolValue(itemAt(collection, key) !== undefined);
  }),
  index: define([any("collection"), any("key")], undefined, index),
  indexof: define([any("list"), any("value")], NUMBER, (values, value) => {
    if (values.type.kind !== "list" && values.type.kind !== "tuple") {
      throw new FunctionError("argument must be a list or tuple");
    }
    if (lengthOf(values) === 0) throw new FunctionError("cannot search an empty list");
    const at = asElements(values).findIndex((each) => equalValues(each, value) === true);
    if (at < 0) throw new FunctionError("item not found");
    return numberValue(at);
  }),
  keys: define([any("inputMap")], undefined, (map) => {
    mappingOnly(map, "must have map or object type", 0);
    const keys = [...asEntries(map).keys()].map(stringValue);
    return map.type.kind === "object" ? tupleValue(keys) : listValue(keys, STRING);
  }),
  length: define([any("collection")], NUMBER, (collection) => {
    if (!isSequence(collection.type) && collection.type.kind !== "map") {
      throw new FunctionError("collection must be a list, a map or a tuple");
    }
    return numberValue(lengthOf(collection));
  }),
  lookup: define([any("inputMap"), text("key"), any("default")], undefined, lookup),
  merge: defineVariadic([], anyOrNull("maps"), undefined, merge),
  reverselist: define([any("list")], undefined, (values) => {
    if (!isSequence(values.type)) {
      throw new FunctionError(`can only reverse list or tuple values, not ${typeName(values.type)}`, 0);
    }
    const reversed = [...asElements(values)].reverse();
    return values.type.kind === "tuple" ? tupleValue(reversed) : listValue(reversed, elementType(values));
  }),
  setproduct: defineVariadic([], any("sets"), undefined, product),
  slice: define([any("list"), number("start_index"), number("end_index")], undefined, slice),
  values: define([any("mapping")], undefined, (map) => {
    mappingOnly(map, "values() requires a map as the first argument");
    const values = [...asEntries(map).values()];
    return map.type.kind === "object" ? tupleValue(values) : listValue(values, elementType(map));
  }),
  zipmap: define([texts("keys"), any("values")], undefined, zip),
};

function elementType(value: Value): Type {
  return "element" in value.type ? value.type.element : DYNAMIC;
}

function mappingOnly(value: Value, message: string, argument?: number): void {
  if (value.type.kind !== "map" && value.type.kind !== "object") throw new FunctionError(message, argument);
}

function converted(value: Value, type: Type, argument?: number): Value {
  try {
    return convertValue(value, type);
  } catch (error) {
    if (error instanceof ConversionError) throw new FunctionError(error.message, argument);
    throw error;
  }
}

function chunk(values: Value, sizeValue: Value): Value {
  const size = wholeNumber(sizeValue, undefined, "invalid size: ");
  if (size < 0) throw new FunctionError("the size argument must be positive");
  const elements = asElements(values);
  if (elements.length === 0) return listValue([], values.type);
  if (size === 0) return listValue([values]);
  const chunks: Value[] = [];
  for (let at = 0; at < elements.length; at += size) chunks.push(listValue(elements.slice(at, at + size)));
  return listValue(chunks);
}

function coalesce(values: readonly Value[]): Value {
  const unified = unify(
    values.map(({ type }) => type),
    true,
  );
  if (unified === undefined) throw new FunctionError("all arguments must have the same type");
  const first = values.find((value) => !isNull(value));
  if (first === undefined) throw new FunctionError("no non-null arguments");
  return converted(first, unified.type);
}

function coalesceList(values: readonly Value[]): Value {
  if (values.length === 0) throw new FunctionError("at least one argument is required");
  if (values.some(({ type }) => type.kind !== "list" && type.kind !== "tuple")) {
    throw new FunctionError("coalescelist arguments must be lists or tuples");
  }
  const first = values.find((value) => !isNull(value) && lengthOf(value) > 0);
  if (first === undefined) throw new FunctionError("no non-null arguments");
  return first;
}

function concat(values: readonly Value[]): Value {
  if (values.length === 0) throw new FunctionError("at least one argument is required");
  if (values.every(({ type }) => type.kind === "list")) {
    const unified = unify(
      values.map(({ type }) => type),
      true,
    );
    if (unified?.type.kind === "list") {
      const { type } = unified;
      return listValue(
        values.flatMap((value, at) => asElements(converted(value, type, at))),
        type.element,
      );
    }
  }
  const bad = values.findIndex(({ type }) => type.kind !== "list" && type.kind !== "tuple");
  if (bad >= 0) {
    throw new FunctionError(`all arguments must be lists or tuples; got ${typeName(values[bad]!.type)}`, bad);
  }
  return tupleValue(values.flatMap(asElements));
}

/** The index goes round: past the end it starts again. */
function element(values: Value, indexValue: Value): Value {
  if (values.type.kind !== "list" && values.type.kind !== "tuple") {
    throw new FunctionError(`cannot read elements from ${typeName(values.type)}`);
  }
  const at = wholeNumber(indexValue, undefined, "invalid index: ");
  const elements = asElements(values);
  if (elements.length === 0) throw new FunctionError("cannot use element function with an empty list");
  const { length } = elements;
  return elements[((at % length) + length) % length]!;
}

function flat(values: Value): Value[] {
  return asElements(values).flatMap((each) => (!isNull(each) && isSequence(each.type) ? flat(each) : [each]));
}

function indexable(collection: Value): void {
  if (!["list", "tuple", "map"].includes(collection.type.kind)) {
    throw new FunctionError("collection must be a list, a map or a tuple");
  }
}

function itemAt(collection: Value, key: Value): Value | undefined {
  if (collection.type.kind === "map") {
    return key.type.kind === "string" ? asEntries(collection).get(asString(key)) : undefined;
  }
  if (key.type.kind !== "number") return undefined;
  const at = asNumber(key);
  return at.isInteger && at.sign >= 0 ? asElements(collection)[Number(at.truncate())] : undefined;
}

function index(collection: Value, key: Value): Value {
  indexable(collection);
  const { kind } = collection.type;
  const wanted = kind === "map" ? "string" : "number";
  if (key.type.kind !== wanted) throw new FunctionError(`key for ${kind} must be ${wanted}`);
  if (kind === "tuple") {
    const at = wholeNumber(key, undefined, "invalid key for tuple: ");
    const { length } = asElements(collection);
    if (at < 0 || at >= length) throw new FunctionError(`key must be between 0 and ${length} inclusive`);
  }
  const found = itemAt(collection, key);
  if (found === undefined) throw new FunctionError("invalid index");
  return found;
}

function lookup(map: Value, key: Value, otherwise: Value): Value {
  mappingOnly(map, "lookup() requires a map as the first argument", 0);
  const found = asEntries(map).get(asString(key));
  if (map.type.kind === "object") return found ?? otherwise;
  let fallback: Value;
  try {
    fallback = converted(otherwise, elementType(map));
  } catch (error) {
    if (!(error instanceof FunctionError)) throw error;
    throw new FunctionError("the default value must have the same type as the map elements", 2);
  }
  return found ?? fallback;
}

function merge(maps: readonly Value[]): Value {
  const entries = new Map<string, Value>();
  for (const map of maps) {
    if (map.type.kind === "dynamic") return isNull(map) ? mergeDynamic(maps) : UNKNOWN;
    if (map.type.kind !== "map" && map.type.kind !== "object") {
      throw new FunctionError(`arguments must be maps or objects, got ${quote(typeName(map.type))}`);
    }
  }
  for (const map of maps) if (!isNull(map)) for (const [key, value] of asEntries(map)) entries.set(key, value);
  const [first] = maps;
  const same = first !== undefined && maps.every(({ type }) => equalTypes(type, first.type));
  return same && first.type.kind === "map" ? mapValue(entries, first.type.element) : objectValue(entries);
}

function mergeDynamic(maps: readonly Value[]): Value {
  const entries = maps.flatMap((map) => (isNull(map) ? [] : [...asEntries(map)]));
  return objectValue(new Map(entries));
}

function product(sets: readonly Value[]): Value {
  if (sets.length < 2) throw new FunctionError("at least two arguments are required");
  const types = sets.map((each, at): Type => {
    if (each.type.kind === "set" || each.type.kind === "list") return each.type.element;
    if (each.type.kind !== "tuple") throw new FunctionError("a set or a list is required", at);
    if (each.type.elements.length === 0) return DYNAMIC;
    const unified = unify(each.type.elements, true);
    if (unified === undefined) throw new FunctionError("all elements must be of the same type", at);
    return unified.type;
  });
  const choices = sets.map((each, at) => asElements(each).map((value) => converted(value, types[at]!)));
  let tuples: Value[][] = [[]];
  for (const choice of choices) tuples = tuples.flatMap((start) => choice.map((value) => [...start, value]));
  const type: Type = { kind: "tuple", elements: types };
  const values = tuples.map(tupleValue);
  return sets.every(({ type: each }) => each.kind !== "set") ? listValue(values, type) : setValue(values, type);
}

function slice(values: Value, startValue: Value, endValue: Value): Value {
  if (values.type.kind === "set") {
    throw new FunctionError(
      "cannot slice a set, because its elements do not have indices; convert it to a list first",
      0,
    );
  }
  if (values.type.kind !== "list" && values.type.kind !== "tuple") {
    throw new FunctionError("must be a list or tuple value", 0);
  }
  const { length } = asElements(values);
  const bound = (value: Value, name: string, argument: number): number => {
    const at = wholeNumber(value, argument, `invalid ${name} index: `);
    if (at < 0) throw new FunctionError(`${name} index must not be less than zero`, argument);
    if (at > length) {
      throw new FunctionError(`${name} index must not be greater than the length of the list`, argument);
    }
    return at;
  };
  const start = bound(startValue, "start", 1);
  const end = bound(endValue, "end", 2);
  if (start > end) throw new FunctionError("start index must not be greater than end index", 1);
  const part = asElements(values).slice(start, end);
  return values.type.kind === "tuple" ? tupleValue(part) : listValue(part, elementType(values));
}

function zip(keys: Value, values: Value): Value {
  if (values.type.kind !== "list" && values.type.kind !== "tuple") {
    throw new FunctionError("values argument must be a list or tuple value");
  }
  const items = asElements(values);
  const names = elementsOf(keys).map(([, key], at) => {
    if (isNull(key)) throw new FunctionError(`keys list has null value at index ${at}`);
    return asString(key);
  });
  if (names.length !== items.length) {
    throw new FunctionError(`number of keys (${names.length}) does not match number of values (${items.length})`);
  }
  const entries = names.map((name, at) => [name, items[at]!] as const);
  return values.type.kind === "list" ? mapValue(entries, elementType(values)) : objectValue(entries);
}
