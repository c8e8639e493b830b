// Canonical protobuf bytes: what digests of ops are taken over. The order is that of Go's deterministic encoder, which the
// wire format leaves open: plain fields by number, members of oneofs after all of them, map entries by key bytes.
// Counterpart: google.golang.org/protobuf MarshalOptions{Deterministic: true}.

import type { DescField, DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { BuildError } from "../../base/index.ts";

type Fields = Record<string, unknown>;

/**
 * Canonical bytes of a message; unknown fields are dropped.
 * @throws INVALID_UTF8 when a string holds a lone surrogate, which is how invalid UTF-8 of a source file is carried here.
 */
export function encodeCanonical<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Uint8Array {
  const writer = new BinaryWriter(checkedUtf8);
  writeMessage(writer, schema, message);
  return writer.finish();
}

/** Orders texts by their UTF-8 bytes (which is code point order, not JavaScript's). */
export function compareBytes(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const encoder = new TextEncoder();

function checkedUtf8(text: string): Uint8Array<ArrayBuffer> {
  if (!text.isWellFormed()) {
    throw new BuildError("string field contains invalid UTF-8", { code: "INVALID_UTF8", status: "InvalidArgument" });
  }
  return encoder.encode(text);
}

function writeMessage(writer: BinaryWriter, schema: DescMessage, message: Message): void {
  const values = message as unknown as Fields;
  const { plain, members } = layoutOf(schema);
  for (const field of plain) writeField(writer, field, values[field.localName]);
  for (const field of members) {
    const choice = values[field.oneof!.localName] as { case?: string; value?: unknown };
    if (choice.case === field.localName) writeField(writer, field, choice.value);
  }
}

const layouts = new WeakMap<DescMessage, { plain: DescField[]; members: DescField[] }>();

function layoutOf(schema: DescMessage): { plain: DescField[]; members: DescField[] } {
  let layout = layouts.get(schema);
  if (layout === undefined) {
    const sorted = schema.fields.toSorted((a, b) => a.number - b.number);
    layout = {
      plain: sorted.filter((field) => field.oneof === undefined),
      members: sorted.filter((field) => field.oneof !== undefined),
    };
    layouts.set(schema, layout);
  }
  return layout;
}

function writeField(writer: BinaryWriter, field: DescField, value: unknown): void {
  switch (field.fieldKind) {
    case "message":
      if (value !== undefined) writeChild(writer, field.number, field.message, value as Message);
      return;
    case "enum":
      if (field.oneof !== undefined || value !== 0) {
        writer.tag(field.number, WireType.Varint);
        writer.int32(value as number);
      }
      return;
    case "scalar":
      if (field.oneof !== undefined || !isZero(value)) writeScalar(writer, field.number, field.scalar, value);
      return;
    case "list":
      writeList(writer, field, value as readonly unknown[]);
      return;
    case "map":
      for (const key of Object.keys(value as Fields).sort(compareBytes)) {
        writer.tag(field.number, WireType.LengthDelimited).fork();
        writeScalar(writer, 1, field.mapKey, mapKeyValue(field.mapKey, key));
        const entry = (value as Fields)[key];
        if (field.mapKind === "message") writeChild(writer, 2, field.message, entry as Message);
        else if (field.mapKind === "scalar") writeScalar(writer, 2, field.scalar, entry);
        else writer.tag(2, WireType.Varint).int32(entry as number);
        writer.join();
      }
      return;
    default:
      return field satisfies never;
  }
}

function writeList(writer: BinaryWriter, field: DescField & { fieldKind: "list" }, list: readonly unknown[]): void {
  if (field.listKind === "message") {
    for (const item of list) writeChild(writer, field.number, field.message, item as Message);
  } else if (field.listKind === "enum" || field.packed) {
    if (list.length === 0) return;
    writer.tag(field.number, WireType.LengthDelimited).fork();
    const type = field.listKind === "enum" ? ScalarType.INT32 : field.scalar;
    for (const item of list) writeRaw(writer, type, item);
    writer.join();
  } else {
    for (const item of list) writeScalar(writer, field.number, field.scalar, item);
  }
}

function writeChild(writer: BinaryWriter, number: number, schema: DescMessage, message: Message): void {
  writer.tag(number, WireType.LengthDelimited).fork();
  writeMessage(writer, schema, message);
  writer.join();
}

function writeScalar(writer: BinaryWriter, number: number, type: ScalarType, value: unknown): void {
  const isText = type === ScalarType.STRING || type === ScalarType.BYTES;
  writer.tag(number, isText ? WireType.LengthDelimited : WireType.Varint);
  writeRaw(writer, type, value);
}

// Only the scalar types that BuildKit's messages use.
function writeRaw(writer: BinaryWriter, type: ScalarType, value: unknown): void {
  switch (type) {
    case ScalarType.STRING:
      writer.string(value as string);
      return;
    case ScalarType.BYTES:
      writer.bytes(value as Uint8Array);
      return;
    case ScalarType.BOOL:
      writer.bool(value as boolean);
      return;
    case ScalarType.INT32:
      writer.int32(value as number);
      return;
    case ScalarType.UINT32:
      writer.uint32(value as number);
      return;
    case ScalarType.INT64:
      writer.int64(value as bigint);
      return;
    case ScalarType.UINT64:
      writer.uint64(value as bigint);
      return;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED32:
    case ScalarType.SFIXED64:
    case ScalarType.SINT32:
    case ScalarType.SINT64:
      throw new Error(`no canonical encoding for scalar type ${type}`);
    default:
      return type satisfies never;
  }
}

function mapKeyValue(type: ScalarType, key: string): unknown {
  return type === ScalarType.STRING ? key : BigInt(key);
}

function isZero(value: unknown): boolean {
  return (
    value === "" ||
    value === 0 ||
    value === 0n ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}
