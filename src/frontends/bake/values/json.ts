// Values as JSON and back. Counterpart: zclconf/go-cty cty/json.

import { BigFloat } from "./big-float.ts";
import { ConversionError, convertValue } from "./convert.ts";
import { equalTypes, isCollection, withoutOptional } from "./types.ts";
import type { Type } from "./types.ts";
import {
  NULL,
  asElements,
  asEntries,
  boolValue,
  listValue,
  mapValue,
  nullOf,
  numberValue,
  objectValue,
  setValue,
  stringValue,
  tupleValue,
} from "./value.ts";
import type { Value } from "./value.ts";

/** Compact JSON as Go writes it: `<`, `>` and `&` escaped. @throws ConversionError for infinities. */
export function valueToJson(value: Value): string {
  const { raw, type } = value;
  if (raw === undefined) throw new ConversionError("value is not known");
  if (raw === null) return "null";
  if (typeof raw === "string") return textToJson(raw);
  if (typeof raw === "boolean") return String(raw);
  if (raw instanceof BigFloat) {
    if (raw.kind === "infinite") throw new ConversionError("cannot serialize infinity as JSON");
    return raw.toString();
  }
  if (type.kind === "map" || type.kind === "object") {
    const parts = [...asEntries(value)].map(([key, each]) => `${textToJson(key)}:${valueToJson(each)}`);
    return `{${parts.join(",")}}`;
  }
  return `[${asElements(value).map(valueToJson).join(",")}]`;
}

/** A value beside its type, which JSON alone does not tell. @throws ConversionError. */
export function dynamicToJson(value: Value): string {
  return `{"value":${valueToJson(value)},"type":${typeToJson(value.type)}}`;
}

function typeToJson(type: Type): string {
  if (isCollection(type)) return `[${textToJson(type.kind)},${typeToJson(type.element)}]`;
  if (type.kind === "tuple") return `["tuple",[${type.elements.map(typeToJson).join(",")}]]`;
  if (type.kind !== "object") return textToJson(type.kind);
  return `["object",{${[...type.attributes].map(([name, each]) => `${textToJson(name)}:${typeToJson(each)}`).join(",")}}]`;
}

/** A string as Go's JSON writes it. */
export function textToJson(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value with the type that the JSON implies. Numbers keep their digits. @throws ConversionError. */
export function jsonToValue(text: string): Value {
  const reader = new JsonReader(text);
  return reader.document();
}

/** A value of a given type. Attributes that an object lacks are null. @throws ConversionError. */
export function jsonToTypedValue(text: string, type: Type): Value {
  return typed(jsonToValue(text), type);
}

function typed(value: Value, type: Type): Value {
  if (type.kind === "dynamic") return value;
  if (value.raw === null) return nullOf(withoutOptional(type));
  const mismatch = (): never => {
    throw new ConversionError(`${type.kind} is required`);
  };
  switch (type.kind) {
    case "list":
    case "set": {
      if (value.type.kind !== "tuple") return mismatch();
      const elements = asElements(value).map((each) => typed(each, type.element));
      return type.kind === "list" ? listValue(elements, type.element) : setValue(elements, type.element);
    }
    case "map":
      if (value.type.kind !== "object") return mismatch();
      return mapValue(
        [...asEntries(value)].map(([key, each]) => [key, typed(each, type.element)]),
        type.element,
      );
    case "tuple": {
      if (value.type.kind !== "tuple") return mismatch();
      const elements = asElements(value);
      if (elements.length !== type.elements.length) {
        throw new ConversionError(`a tuple of length ${type.elements.length} is required`);
      }
      return tupleValue(elements.map((each, at) => typed(each, type.elements[at]!)));
    }
    case "object": {
      if (value.type.kind !== "object") return mismatch();
      const entries = asEntries(value);
      const unknown = [...entries.keys()].find((key) => !type.attributes.has(key));
      if (unknown !== undefined) throw new ConversionError(`unsupported attribute ${JSON.stringify(unknown)}`);
      return objectValue(
        [...type.attributes].map(([name, each]) => [
          name,
          entries.has(name) ? typed(entries.get(name)!, each) : nullOf(withoutOptional(each)),
        ]),
      );
    }
    default:
      if (equalTypes(value.type, type)) return value;
      if (value.type.kind === "object" || value.type.kind === "tuple") return mismatch();
      return convertValue(value, type);
  }
}

/** Reads JSON keeping numbers exact, which JSON.parse does not. */
class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Value {
    try {
      JSON.parse(this.#text);
    } catch (error) {
      throw new ConversionError(error instanceof Error ? error.message : String(error));
    }
    return this.#value();
  }

  #skip(): string {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#text[this.#at]!;
  }

  #value(): Value {
    const next = this.#skip();
    if (next === "{") {
      const entries: [string, Value][] = [];
      this.#items("}", () => {
        const key = this.#string();
        this.#skip();
        this.#at++;
        entries.push([key, this.#value()]);
      });
      return objectValue(entries);
    }
    if (next === "[") {
      const items: Value[] = [];
      this.#items("]", () => items.push(this.#value()));
      return tupleValue(items);
    }
    if (next === '"') return stringValue(this.#string());
    const word = /[-+.\w]+/y;
    word.lastIndex = this.#at;
    const token = word.exec(this.#text)![0];
    this.#at += token.length;
    if (token === "null") return NULL;
    if (token === "true" || token === "false") return boolValue(token === "true");
    return numberValue(BigFloat.parse(token)!);
  }

  #items(close: string, read: () => void): void {
    this.#at++;
    while (this.#skip() !== close) {
      read();
      if (this.#skip() === ",") this.#at++;
      this.#skip();
    }
    this.#at++;
  }

  #string(): string {
    this.#skip();
    const pattern = /"(?:[^"\\]|\\[^])*"/y;
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)![0];
    this.#at += token.length;
    return JSON.parse(token) as string;
  }
}
