// JSON of protobuf messages as Go's encoding/json writes the generated structs: original field names, empty fields left out,
// 64-bit integers as numbers, enums as numbers, bytes in base64, and a oneof under its Go name. Cache keys are hashes of this
// text, and caches are exchanged with BuildKit, so every byte counts. Counterpart: Go encoding/json over protoc-gen-go structs.

import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { pb } from "../../formats/proto/index.ts";

/** Go's JSON text of a message, HTML-relevant characters escaped as Go does. */
export function goJson(schema: DescMessage, message: Message): string {
  return encodeMessage(schema, message as unknown as Record<string, unknown>);
}

/** A string as Go's encoding/json writes it. */
export function goString(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function encodeMessage(schema: DescMessage, message: Record<string, unknown>): string {
  if (schema.typeName === pb.UserOptSchema.typeName) return encodeUser(message["user"] as pb.UserOpt["user"]);
  const parts: string[] = [];
  const seenOneofs = new Set<string>();
  for (const field of schema.fields) {
    if (field.oneof === undefined) {
      const text = encodeField(field, message[field.localName]);
      if (text !== undefined) parts.push(`${goString(field.name)}:${text}`);
      continue;
    }
    if (seenOneofs.has(field.oneof.name)) continue;
    seenOneofs.add(field.oneof.name);
    parts.push(
      `${goString(goName(field.oneof.name))}:${encodeOneof(field.oneof.fields, message[field.oneof.localName])}`,
    );
  }
  return `{${parts.join(",")}}`;
}

/** Owners have a MarshalJSON of their own (solver/pb/json.go): other names, and an id of 0 is left out. */
function encodeUser(user: pb.UserOpt["user"]): string {
  const parts: string[] = [];
  if (user.case === "byName") parts.push(`"byName":${goJson(pb.NamedUserOptSchema, user.value)}`);
  if (user.case === "byID" && user.value !== 0) parts.push(`"byId":${user.value}`);
  return `{"User":{${parts.join(",")}}}`;
}

function encodeOneof(fields: readonly DescField[], choice: unknown): string {
  const { case: chosen, value } = choice as { case: string | undefined; value: unknown };
  const field = fields.find((each) => each.localName === chosen);
  if (field === undefined) return "null";
  const text =
    field.fieldKind === "message"
      ? encodeMessage(field.message, value as Record<string, unknown>)
      : encodeScalar(value);
  return `{${goString(goName(field.name))}:${text}}`;
}

/** Undefined where Go's `omitempty` leaves the field out. */
function encodeField(field: DescField, value: unknown): string | undefined {
  switch (field.fieldKind) {
    case "message":
      return value === undefined ? undefined : encodeMessage(field.message, value as Record<string, unknown>);
    case "list": {
      const list = value as unknown[];
      if (list.length === 0) return undefined;
      const items = list.map((item) =>
        field.listKind === "message"
          ? encodeMessage(field.message, item as Record<string, unknown>)
          : encodeScalar(item),
      );
      return `[${items.join(",")}]`;
    }
    case "map": {
      const entries = Object.entries(value as Record<string, unknown>).sort(([a], [b]) =>
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      );
      if (entries.length === 0) return undefined;
      return `{${entries.map(([key, item]) => `${goString(key)}:${encodeScalar(item)}`).join(",")}}`;
    }
    case "scalar":
    case "enum":
      return isZero(value) ? undefined : encodeScalar(value);
    default:
      throw new Error("unknown kind of protobuf field");
  }
}

function isZero(value: unknown): boolean {
  return (
    value === 0 ||
    value === 0n ||
    value === "" ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function encodeScalar(value: unknown): string {
  if (typeof value === "string") return goString(value);
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  throw new Error(`no JSON for a protobuf value of type ${typeof value}`);
}

function goName(name: string): string {
  return name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
