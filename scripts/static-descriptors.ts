// Generated messages carry their descriptors as bytes, which the library decodes with descriptors of descriptors when a program starts: a twelfth of
// a small build's time. The bundler decodes them instead, and the bundle has them as the object literals that come out of it.

import { create, fromBinary } from "@bufbuild/protobuf";
import type { Message } from "@bufbuild/protobuf";
import { nestedTypes, protoCamelCase } from "@bufbuild/protobuf/reflect";
import { base64Decode } from "@bufbuild/protobuf/wire";
import * as wkt from "@bufbuild/protobuf/wkt";
import type { Plugin } from "rolldown";

const CALL = /\bfileDesc\("([A-Za-z0-9+/=]*)"/g;
const LIBRARY = /\/@bufbuild\/protobuf\/dist\/esm\/codegenv2\/file\.js$/;

/** What the library's `file.js` is replaced by; answers to its `fileDesc` in everything but the form of the first argument. */
const REPLACEMENT = `
import { createEmbeddedFileRegistry } from "../registry.js";
const kinds = KINDS;
const hydrate = (kind, own) => {
  const [prototype, $typeName, lists] = kinds[kind];
  const made = Object.create(prototype);
  made.$typeName = $typeName;
  for (const list of lists) made[list] = [];
  return Object.assign(made, own);
};
export function fileDesc(root, imports = []) {
  const proto = root(hydrate);
  proto.dependency = imports.map((file) => file.proto.name);
  const registry = createEmbeddedFileRegistry(proto, (name) => imports.find((file) => file.proto.name === name));
  return registry.getFile(proto.name);
}
`;

/** Messages that a file's descriptor is made of. */
const SCHEMAS = [...nestedTypes(wkt.file_google_protobuf_descriptor)].filter((each) => each.kind === "message");

/** The bundler's plugin; one for each bundle. */
export function staticDescriptors(): Plugin {
  return {
    name: "static-descriptors",
    load: (id) =>
      LIBRARY.test(id) ? { code: REPLACEMENT.replace("KINDS", () => kindsCode()), moduleType: "js" } : null,
    transform: (code, id) => {
      if (!code.includes('fileDesc("') || !id.endsWith("_pb.js")) return null;
      const text = code.replace(CALL, (_, bytes: string) => `fileDesc((h) => ${literal(decoded(bytes))}`);
      return { code: text, map: null };
    },
  };
}

/** Of each message its prototype, which has the defaults, its name, and the fields that are lists. */
function kindsCode(): string {
  const kinds = SCHEMAS.map((schema) => {
    const empty = create(schema);
    const lists = schema.fields.filter(({ fieldKind }) => fieldKind === "list").map(({ localName }) => localName);
    const defaults = Object.getPrototypeOf(empty) as object;
    const fields = defaults === Object.prototype ? [] : Object.entries(defaults);
    const prototype = fields.map(([name, each]) => `${name}:${literal(each)}`).join(",");
    return `[{${prototype}},${literal(schema.typeName)},${literal(lists)}]`;
  });
  return `[${kinds.join(",")}]`;
}

function decoded(base64: string): Message {
  const file = fromBinary(wkt.FileDescriptorProtoSchema, base64Decode(base64));
  file.messageType.forEach(nameForJson);
  return file;
}

/** Names in JSON are left out of the bytes where they follow from the field's name. */
function nameForJson(message: wkt.DescriptorProto): void {
  for (const field of message.field) if (!Object.hasOwn(field, "jsonName")) field.jsonName = protoCamelCase(field.name);
  message.nestedType.forEach(nameForJson);
}

function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(",")}]`;
  if (value instanceof Uint8Array) return `new Uint8Array([${value.join(",")}])`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const { $typeName, $unknown, ...own } = value as Record<string, unknown>;
  const kind = SCHEMAS.findIndex(({ typeName }) => typeName === $typeName);
  if (kind < 0 || $unknown !== undefined)
    throw new Error(`a descriptor has what can't be written: ${String($typeName)}`);
  const fields = Object.entries(own)
    .filter(([, each]) => !(Array.isArray(each) && each.length === 0) && each !== undefined)
    .map(([name, each]) => `${name}:${literal(each)}`);
  return `h(${kind},{${fields.join(",")}})`;
}
