// LLB ops as JSON, the way BuildKit's provenance has them: fields by their protobuf names, zero values left out, what is a choice
// under the choice's name. Credentials in URLs of sources, proxies and environment are masked.
// Counterpart: moby/buildkit solver/pb/json.go and the tags of ops.pb.go.

import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { pb } from "../../formats/proto/index.ts";
import { redact } from "../../base/index.ts";

type Json = Record<string, unknown>;
type Fields = Readonly<Record<string, unknown>>;

/** An op without its inputs. */
export function opJson(op: pb.Op): Json {
  const choice = op.op;
  return {
    Op: choice.case === undefined ? {} : { [choice.case]: messageJson(choice.value) },
    platform: op.platform === undefined ? undefined : messageJson(op.platform),
    constraints: op.constraints === undefined ? undefined : messageJson(op.constraints),
  };
}

/** Any message of ours. */
export function messageJson(message: Message): Json {
  const desc = schemas.get(message.$typeName);
  if (desc === undefined) throw new Error(`no schema of ${message.$typeName}`);
  return fieldsJson(desc, message as unknown as Fields);
}

const schemas = new Map<string, DescMessage>(
  [
    pb.BuildOpSchema,
    pb.DiffOpSchema,
    pb.ExecOpSchema,
    pb.FileOpSchema,
    pb.LocationsSchema,
    pb.MergeOpSchema,
    pb.PassthroughOpSchema,
    pb.PlatformSchema,
    pb.SourceOpSchema,
    pb.WorkerConstraintsSchema,
  ].map((schema) => [schema.typeName, schema]),
);
/** Fields that may hold a URL with credentials which no step needs to be told apart by. */
const masked = new Set(["pb.SourceOp.identifier", "pb.SourceOp.attrs", "pb.Meta.env"]);
const sessionAttributes = new Set(["local.session", "local.unique"]);

function fieldsJson(desc: DescMessage, message: Fields): Json {
  if (desc.typeName === "pb.FileAction") return fileActionJson(desc, message);
  if (desc.typeName === "pb.UserOpt") return { User: choiceJson(desc, message["user"]) };
  const json: Json = {};
  for (const field of desc.fields) {
    const value = valueJson(field, message[field.localName]);
    if (value !== undefined) json[field.name] = value;
  }
  return json;
}

function fileActionJson(desc: DescMessage, message: Fields): Json {
  return {
    input: message["input"],
    secondaryInput: message["secondaryInput"],
    output: message["output"],
    Action: choiceJson(desc, message["action"]),
  };
}

function choiceJson(desc: DescMessage, choice: unknown): Json {
  const { case: name, value } = choice as { case: string | undefined; value: unknown };
  const field = desc.fields.find(({ localName }) => localName === name);
  return field === undefined ? {} : { [field.name]: valueJson(field, value) };
}

/** Undefined for zero. */
function valueJson(field: DescField, value: unknown): unknown {
  switch (field.fieldKind) {
    case "list": {
      const list = value as readonly unknown[];
      const { message } = field;
      if (list.length === 0) return undefined;
      return message === undefined
        ? list.map((item) => scalarJson(field, item))
        : list.map((item) => fieldsJson(message, item as Fields));
    }
    case "map": {
      const { message } = field;
      const entries = Object.entries(value as Fields).filter(
        ([key]) => qualified(field) !== "pb.SourceOp.attrs" || !sessionAttributes.has(key),
      );
      if (entries.length === 0) return undefined;
      return new Map(
        entries.map(([key, item]) => [
          key,
          message === undefined ? scalarJson(field, item) : fieldsJson(message, item as Fields),
        ]),
      );
    }
    case "message":
      return value === undefined ? undefined : fieldsJson(field.message, value as Fields);
    default:
      return isZero(value) ? undefined : scalarJson(field, value);
  }
}

function scalarJson(field: DescField, value: unknown): unknown {
  const hides = masked.has(qualified(field)) || field.parent.typeName === "pb.ProxyEnv";
  return hides && typeof value === "string" ? redact(value) : value;
}

function qualified(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}

function isZero(value: unknown): boolean {
  return (
    value === undefined ||
    value === "" ||
    value === 0 ||
    value === 0n ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}
