// Parts of values: `collection[key]` and `object.attribute`. Counterpart: hashicorp/hcl ops.go Index, GetAttr.

import type { Diagnostic, Range } from "../hcl/source.ts";
import { tryConvert } from "../values/convert.ts";
import { NUMBER, STRING, isCollection, isPrimitive, typeName } from "../values/types.ts";
import {
  UNKNOWN,
  asElements,
  asEntries,
  asNumber,
  asString,
  isKnown,
  isNull,
  lengthOf,
  unknownOf,
} from "../values/value.ts";
import type { Value } from "../values/value.ts";

const noSuchElement = "The given key does not identify an element in this collection value";

/** Unknown, and a diagnostic, where there is no such part. */
export function indexValue(collection: Value, key: Value, subject: Range, diagnostics: Diagnostic[]): Value {
  const give = (detail: string, summary = "Invalid index"): Value => {
    diagnostics.push({ summary, detail, subject });
    return UNKNOWN;
  };
  if (isNull(collection)) return give("This value is null, so it has no elements.", "Attempt to index null value");
  if (isNull(key)) return give("A null value can't be an index.");
  const { type } = collection;
  if (key.type.kind === "dynamic" || type.kind === "dynamic") return UNKNOWN;
  switch (type.kind) {
    case "list":
    case "tuple": {
      const number = tryConvert(key, NUMBER);
      if (number === undefined) return give(`${noSuchElement}: a number is required.`);
      if (!isKnown(number) || !isKnown(collection)) return type.kind === "list" ? unknownOf(type.element) : UNKNOWN;
      const at = asNumber(number);
      if (!at.isInteger) return give(`${noSuchElement}: an index must be a whole number.`);
      if (at.sign < 0) return give(`${noSuchElement}: an index can't be negative.`);
      const found = asElements(collection)[Number(at.truncate())];
      if (found !== undefined) return found;
      return give(
        lengthOf(collection) === 0
          ? `${noSuchElement}: the collection has no elements.`
          : `${noSuchElement}: the index is greater than or equal to the length of the collection.`,
      );
    }
    case "map": {
      const name = tryConvert(key, STRING);
      if (name === undefined) return give(`${noSuchElement}: a string is required.`);
      if (!isKnown(name) || !isKnown(collection)) return unknownOf(type.element);
      return asEntries(collection).get(asString(name)) ?? give(`${noSuchElement}.`);
    }
    case "object": {
      const name = tryConvert(key, STRING);
      if (name === undefined) return give(`${noSuchElement}: a string is required.`);
      if (!isKnown(name)) return UNKNOWN;
      const attribute = type.attributes.get(asString(name));
      if (attribute === undefined) {
        const hint = key.type.kind === "number" ? " Attributes of objects have names, not numbers." : "";
        return give(`${noSuchElement}.${hint}`);
      }
      return isKnown(collection) ? asEntries(collection).get(asString(name))! : unknownOf(attribute);
    }
    case "set":
      return give("Elements of a set have no index.");
    default:
      return give("This value does not have any indices.");
  }
}

/** Unknown, and a diagnostic, where there is no such attribute. */
export function attributeValue(object: Value, name: string, subject: Range, diagnostics: Diagnostic[]): Value {
  const give = (detail: string, summary = "Unsupported attribute"): Value => {
    diagnostics.push({ summary, detail, subject });
    return UNKNOWN;
  };
  if (isNull(object)) {
    return give("This value is null, so it has no attributes.", "Attempt to get attribute from null value");
  }
  const { type } = object;
  if (type.kind === "object") {
    const attribute = type.attributes.get(name);
    if (attribute === undefined) return give(`This object does not have an attribute named ${JSON.stringify(name)}.`);
    return isKnown(object) ? asEntries(object).get(name)! : unknownOf(attribute);
  }
  if (type.kind === "map") {
    if (!isKnown(object)) return unknownOf(type.element);
    const detail = `This map does not have an element with the key ${JSON.stringify(name)}.`;
    return asEntries(object).get(name) ?? give(detail, "Missing map element");
  }
  if (type.kind === "dynamic") return UNKNOWN;
  if (isCollection(type) && type.element.kind === "object") {
    return give(`A ${type.kind} of objects has no attributes. Take an element, or all of them with [*].`);
  }
  if (isPrimitive(type)) return give(`A ${typeName(type)} has no attributes.`);
  return give("This value does not have any attributes.");
}
