// Values of variables that come from outside: environment and flags, as plain text, comma-separated or JSON.
// Counterpart: docker/buildx bake/hclparser/hclparser.go convertPrimitive, valueFromCSV.

import { BigFloat } from "../values/big-float.ts";
import { ConversionError } from "../values/convert.ts";
import { jsonToTypedValue } from "../values/json.ts";
import { isPrimitive, typeName } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import { boolValue, listValue, mapValue, numberValue, setValue, stringValue, tupleValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { csvFields } from "./csv.ts";
import { tryParseBool } from "./entries.ts";
import { isBuildError } from "../../../base/index.ts";

/** Why an override does not fit; the message is a sentence's part. */
export class OverrideError extends Error {}

/** What is known of a variable when its override is read. */
export interface OverriddenVariable {
  readonly name: string;
  /** The declared type; undefined where none is. */
  readonly type: Type | undefined;
  /** The value without the override; undefined without a default. */
  readonly value: Value | undefined;
}

/** The override as a value. @throws OverrideError. */
export function overrideValue({ name, type, value }: OverriddenVariable, text: string, isJson: boolean): Value {
  if (type !== undefined) {
    if (isJson) {
      try {
        return jsonToTypedValue(text, type);
      } catch (error) {
        if (!(error instanceof ConversionError)) throw error;
        throw new OverrideError(`failed to convert variable ${name} from JSON: ${error.message}`);
      }
    }
    if (["list", "set", "tuple", "map"].includes(type.kind)) {
      try {
        return fromCsv(name, text, type);
      } catch (error) {
        if (!(error instanceof OverrideError)) throw error;
        throw new OverrideError(`failed to convert variable ${name} from CSV: ${error.message}`);
      }
    }
    if (isPrimitive(type)) return primitive(name, text, type);
    throw new OverrideError(`unsupported type ${typeName(type)} for variable ${name}`);
  }
  if (value === undefined || value.type.kind === "dynamic") return stringValue(text);
  if (isPrimitive(value.type)) return primitive(name, text, value.type);
  throw new OverrideError(`unsupported type ${typeName(value.type)} for variable ${name}`);
}

function primitive(name: string, text: string, type: Type): Value {
  if (type.kind === "string") return stringValue(text);
  if (type.kind === "bool") {
    const bool = tryParseBool(text);
    if (bool !== undefined) return boolValue(bool);
    throw new OverrideError(
      `failed to parse ${name} as bool: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  if (type.kind !== "number") throw new OverrideError(`${name} of type ${typeName(type)} is not a primitive`);
  return numberValue(floatOf(name, text));
}

/** Reads a number as Go reads floats of 64 bits: also hexadecimal with an exponent, and underscores are refused. */
function floatOf(name: string, text: string): BigFloat {
  const fail = (why: string) => new OverrideError(`failed to parse ${name} as number: ${why}`);
  if (/^[+-]?(inf|infinity|nan)$/i.test(text)) throw fail("invalid number value");
  const hex = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)p([+-]?\d+)$/i.exec(text);
  if (hex !== null && hex[2]! + hex[3]! !== "") {
    const value = Number.parseInt(hex[2]! + hex[3]!, 16) * 2 ** (Number(hex[4]) - 4 * hex[3]!.length);
    return BigFloat.double(hex[1] === "-" ? -value : value);
  }
  const syntax = () => fail(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw syntax();
  const value = Number(text);
  if (!Number.isFinite(value)) throw fail(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: value out of range`);
  return BigFloat.double(value);
}

function fromCsv(name: string, text: string, type: Type): Value {
  const fields = csv(text, `failed to parse ${text} as CSV`);
  const element = (field: string, of: Type, complaint: string): Value => {
    try {
      return primitive(name, field, of);
    } catch (error) {
      if (!(error instanceof OverrideError)) throw error;
      throw new OverrideError(`${complaint}: ${error.message}`);
    }
  };
  const unsupported = () => new OverrideError(`unsupported type ${typeName(type)} for CSV specification`);
  switch (type.kind) {
    case "list":
    case "set": {
      if (!isPrimitive(type.element)) throw unsupported();
      const values = fields.map((field) =>
        element(field, type.element, `failed to parse element of type ${typeName(type)}`),
      );
      return type.kind === "list" ? listValue(values, type.element) : setValue(values, type.element);
    }
    case "tuple": {
      if (type.elements.length !== fields.length) {
        throw new OverrideError(`tuple expects ${type.elements.length} elements but only ${fields.length} provided`);
      }
      if (!type.elements.every(isPrimitive)) throw unsupported();
      return tupleValue(
        fields.map((field, at) => element(field, type.elements[at]!, "failed to parse element of type tuple")),
      );
    }
    case "map": {
      if (!isPrimitive(type.element)) throw unsupported();
      const pairs = fields.map((field): [string, Value] => {
        const pair = csv(field, `failed to parse ${field} as k/v for variable ${name}`, ":");
        if (pair.length !== 2)
          throw new OverrideError(`expected one k/v pair but got ${pair.length} pieces from ${field}`);
        return [pair[0]!, element(pair[1]!, type.element, `failed to parse element from type ${typeName(type)}`)];
      });
      return mapValue(pairs, type.element);
    }
    default:
      throw unsupported();
  }
}

function csv(text: string, complaint: string, comma?: string): string[] {
  try {
    return csvFields(text, comma);
  } catch (error) {
    if (isBuildError(error)) throw new OverrideError(`${complaint}: ${error.message}`);
    throw error;
  }
}
