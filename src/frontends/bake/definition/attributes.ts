// The attributes of target and group blocks: how a value becomes one, and what value others see when they refer to it.
// Counterpart: docker/buildx bake/bake.go struct tags, util/buildflags *_cty.go, bake/hclparser/gohcl.

import { isBuildError } from "../../../base/index.ts";
import { wholeNumber } from "../functions/function.ts";
import { FunctionError } from "../evaluate/scope.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { valueToJson } from "../values/json.ts";
import { mismatchMessage } from "../values/mismatch.ts";
import { BOOL, NUMBER, STRING, listOf, mapOf, objectOf } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import {
  asBool,
  asElements,
  asEntries,
  asString,
  boolValue,
  canIterate,
  elementsOf,
  isKnown,
  isNull,
  listValue,
  mapValue,
  nullOf,
  numberValue,
  objectValue,
  stringValue,
} from "../values/value.ts";
import type { Value } from "../values/value.ts";
import {
  checkCache,
  checkOutput,
  parseAttest,
  parseCaches,
  parseOutput,
  parsePolicy,
  parseSecret,
  parseSsh,
  policyOf,
  tryParseBool,
} from "./entries.ts";
import type { Resources, Target } from "./target.ts";

/** How one attribute is read and shown. */
interface AttributeKind<T> {
  /** `undefined` for a null value. @throws ConversionError. */
  read(value: Value): T | undefined;
  show(field: T): Value;
  /** Of the value where the attribute was not set. */
  readonly type: Type;
}

const text: AttributeKind<string> = {
  read: (value) => {
    const converted = known(convertValue(value, STRING));
    return isNull(converted) ? undefined : asString(converted);
  },
  show: stringValue,
  type: STRING,
};

const bool: AttributeKind<boolean> = {
  read: (value) => {
    const converted = known(convertValue(value, BOOL));
    return isNull(converted) ? undefined : asBool(converted);
  },
  show: boolValue,
  type: BOOL,
};

const texts: AttributeKind<string[]> = {
  read: (value) => {
    const converted = known(convertValue(value, listOf(STRING)));
    return isNull(converted) ? undefined : asElements(converted).map(notNull).map(asString);
  },
  show: (values) => listValue(values.map(stringValue), STRING),
  type: listOf(STRING),
};

const textMap: AttributeKind<Map<string, string>> = {
  read: (value) => {
    const converted = known(convertValue(value, mapOf(STRING)));
    if (isNull(converted)) return undefined;
    return new Map([...asEntries(converted)].map(([key, each]) => [key, asString(notNull(each))]));
  },
  show: (values) =>
    mapValue(
      [...values].map(([key, each]) => [key, stringValue(each)]),
      STRING,
    ),
  type: mapOf(STRING),
};

const nullableMap: AttributeKind<Map<string, string | null>> = {
  read: (value) => {
    const converted = known(convertValue(value, mapOf(STRING)));
    if (isNull(converted)) return undefined;
    return new Map([...asEntries(converted)].map(([key, each]) => [key, isNull(each) ? null : asString(known(each))]));
  },
  show: (values) =>
    mapValue(
      [...values].map(([key, each]) => [key, each === null ? nullOf(STRING) : stringValue(each)]),
      STRING,
    ),
  type: mapOf(STRING),
};

const secretType = optionalObject({ id: STRING, src: STRING, env: STRING });
const sshType = optionalObject({ id: STRING, paths: listOf(STRING) });
const resourcesType = optionalObject({
  memory: STRING,
  "memory-swap": STRING,
  "cpu-shares": NUMBER,
  "cpu-period": NUMBER,
  "cpu-quota": NUMBER,
  "cpuset-cpus": STRING,
  "cpuset-mems": STRING,
});

function optionalObject(attributes: Record<string, Type>): Type {
  return objectOf(new Map(Object.entries(attributes)), new Set(Object.keys(attributes)));
}

/** A list whose elements may be texts or objects. */
function entries<T>(
  element: Type,
  fromText: (text: string) => T[],
  fromObject: (value: Value) => T,
  show: (entry: T) => Value,
): AttributeKind<T[]> {
  return {
    read: (value) => {
      if (!isKnown(value)) throw new ConversionError("value must be known");
      if (isNull(value)) throw new ConversionError("null value is not allowed");
      if (value.type.kind !== "tuple" && value.type.kind !== "list") {
        throw new ConversionError(mismatchMessage(value.type, listOf(element)));
      }
      return elementsOf(value).flatMap(([, each]) => {
        if (!isKnown(each) || (each.type.kind === "string" && each.raw === "")) return [];
        return each.type.kind === "string" && !isNull(each) ? fromText(asString(each)) : [fromObject(each)];
      });
    },
    show: (all) => listValue(all.map(show), element),
    type: listOf(element),
  };
}

/** A map of texts, and those of its entries that have a meaning of their own. */
function takeTexts(value: Value, ...names: string[]): { taken: string[]; rest: Record<string, string> } {
  const converted = convertValue(value, mapOf(STRING));
  if (isNull(converted)) throw new ConversionError("null value is not allowed");
  const rest: Record<string, string> = {};
  for (const [key, each] of asEntries(converted)) if (isKnown(each)) rest[key] = asString(notNull(each));
  const taken = names.map((name) => {
    const found = rest[name] ?? "";
    delete rest[name];
    return found;
  });
  return { taken, rest };
}

function textsShown(attributes: Readonly<Record<string, string>>): Value {
  return mapValue(
    Object.entries(attributes).map(([key, each]) => [key, stringValue(each)]),
    STRING,
  );
}

function field(value: Value, name: string): Value | undefined {
  const found = asEntries(value).get(name);
  return found === undefined || isNull(found) || !isKnown(found) ? undefined : found;
}

const outputs = entries(
  mapOf(STRING),
  (given) => [parseOutput(given)],
  (value) => {
    const { taken, rest } = takeTexts(value, "type", "dest");
    return checkOutput({ type: taken[0]!, dest: taken[1]!, attributes: rest });
  },
  ({ type, dest, attributes }) => textsShown({ ...attributes, type, dest }),
);

const caches = entries(
  mapOf(STRING),
  parseCaches,
  (value) => {
    const { taken, rest } = takeTexts(value, "type");
    return checkCache({ type: taken[0]!, attributes: rest }, taken[0] === "" ? valueToJson(value) : "");
  },
  ({ type, attributes }) => textsShown({ ...attributes, type }),
);

const attests = entries(
  mapOf(STRING),
  (given) => [parseAttest(given)],
  (value) => {
    const { taken, rest } = takeTexts(value, "type", "disabled");
    const disabled = taken[1] === "" ? false : tryParseBool(taken[1]!);
    if (disabled === undefined) {
      throw new ConversionError(`strconv.ParseBool: parsing ${JSON.stringify(taken[1])}: invalid syntax`);
    }
    return { type: taken[0]!, disabled, attributes: rest };
  },
  ({ type, disabled, attributes }) => textsShown({ ...attributes, type, ...(disabled ? { disabled: "true" } : {}) }),
);

const secrets = entries(
  secretType,
  (given) => [parseSecret(given)],
  (value) => {
    const converted = notNull(convertValue(value, secretType));
    const of = (name: string) => (field(converted, name)?.raw as string | undefined) ?? "";
    return { id: of("id"), src: of("src"), env: of("env") };
  },
  ({ id, src, env }) =>
    objectValue([
      ["id", stringValue(id)],
      ["src", stringValue(src)],
      ["env", stringValue(env)],
    ]),
);

const sshKeys = entries(
  sshType,
  (given) => [parseSsh(given)],
  (value) => {
    const converted = notNull(convertValue(value, sshType));
    const paths = field(converted, "paths");
    return {
      id: (field(converted, "id")?.raw as string | undefined) ?? "",
      paths: paths === undefined ? [] : asElements(paths).map((each) => asString(notNull(each))),
    };
  },
  ({ id, paths }) =>
    objectValue([
      ["id", stringValue(id)],
      ["paths", listValue(paths.map(stringValue), STRING)],
    ]),
);

const policies = entries(
  mapOf(STRING),
  (given) => [parsePolicy(given)],
  (value) => {
    if (!canIterate(value) || (value.type.kind !== "object" && value.type.kind !== "map")) {
      throw new ConversionError(mismatchMessage(value.type, mapOf(STRING)));
    }
    const fields = [...asEntries(value)].flatMap(([key, each]) => {
      if (isNull(each) || !isKnown(each) || each.raw === "") return [];
      return [`${key}=${asString(convertValue(each, STRING))}`];
    });
    return policyOf(fields);
  },
  ({ files, reset, disabled, strict, logLevel }) =>
    textsShown({
      ...(files[0] === undefined ? {} : { filename: files[0] }),
      ...(reset ? { reset: "true" } : {}),
      ...(disabled ? { disabled: "true" } : {}),
      ...(strict === undefined ? {} : { strict: String(strict) }),
      ...(logLevel === undefined ? {} : { "log-level": logLevel }),
    }),
);

const numberFields = new Set(["cpu-shares", "cpu-period", "cpu-quota"]);

const resources: AttributeKind<Resources> = {
  read: (value) => {
    const converted = known(convertValue(value, resourcesType));
    if (isNull(converted)) return undefined;
    const read: Record<string, string | bigint> = {};
    for (const [name, each] of asEntries(converted)) {
      if (isNull(each)) continue;
      read[name] = numberFields.has(name) ? BigInt(wholeNumber(known(each))) : asString(known(each));
    }
    return read as Resources;
  },
  show: (given) => {
    if (resourcesType.kind !== "object") throw new Error("resources are an object");
    return objectValue(
      [...resourcesType.attributes].map(([name, type]) => {
        const each = given[name as keyof Resources];
        if (each === undefined) return [name, nullOf(type)];
        return [name, typeof each === "bigint" ? numberValue(each) : stringValue(each)];
      }),
    );
  },
  type: resourcesType,
};

function known(value: Value): Value {
  if (!isKnown(value)) throw new ConversionError("value must be known");
  return value;
}

function notNull(value: Value): Value {
  if (isNull(value)) throw new ConversionError("null value is not allowed");
  return known(value);
}

/** By name, in the order of the file format. */
// oxlint-disable-next-line typescript/no-explicit-any -- each attribute has a type of its own
const targetAttributes: Readonly<Record<string, AttributeKind<any>>> = {
  description: text,
  inherits: texts,
  annotations: texts,
  attest: attests,
  context: text,
  contexts: textMap,
  dockerfile: text,
  "dockerfile-inline": text,
  args: nullableMap,
  labels: nullableMap,
  tags: texts,
  "cache-from": caches,
  "cache-to": caches,
  target: text,
  secret: secrets,
  ssh: sshKeys,
  platforms: texts,
  output: outputs,
  pull: bool,
  "no-cache": bool,
  network: text,
  "no-cache-filter": texts,
  "shm-size": text,
  ulimits: texts,
  resources,
  call: text,
  entitlements: texts,
  "extra-hosts": nullableMap,
  policy: policies,
};

// oxlint-disable-next-line typescript/no-explicit-any -- as above
const groupAttributes: Readonly<Record<string, AttributeKind<any>>> = { description: text, targets: texts };

export type BlockType = "target" | "group";

/** Names of the attributes of a block. */
export function attributeNames(type: BlockType): string[] {
  return Object.keys(type === "target" ? targetAttributes : groupAttributes);
}

/** Sets an attribute of a block from a value. @throws ConversionError whose message says what does not suit. */
export function setAttribute(type: BlockType, block: Record<string, unknown>, name: string, value: Value): void {
  const kind = (type === "target" ? targetAttributes : groupAttributes)[name]!;
  try {
    const read: unknown = kind.read(value);
    if (read === undefined) delete block[name];
    else block[name] = read;
  } catch (error) {
    if (isBuildError(error) || error instanceof FunctionError) throw new ConversionError(error.message);
    throw error;
  }
}

/** What others see of a block that is read as far as `block` says. */
export function blockValue(type: BlockType, block: Partial<Target> & Record<string, unknown>): Value {
  const kinds = type === "target" ? targetAttributes : groupAttributes;
  const shown = Object.entries(kinds).map(([name, kind]): [string, Value] => {
    const field = block[name];
    if (field !== undefined) return [name, kind.show(field)];
    return [name, name === "description" ? stringValue("") : nullOf(kind.type)];
  });
  return objectValue([["name", stringValue(block.name ?? "")], ...shown]);
}
