// Pieces that schemas of services and of resources share. Counterpart: compose-spec schema/compose-spec.json definitions.

import type { Schema, SchemaType } from "./schema.ts";

export const of = (...type: SchemaType[]): Schema => ({ type });
export const text = of("string");
export const extensions = [[/^x-/, {}]] as const;
export const listOf = (items: Schema, uniqueItems = false): Schema => ({ type: ["array"], items, uniqueItems });
export const closed = (properties: Record<string, Schema>, required: string[] = []): Schema => ({
  type: ["object"],
  properties,
  required,
  patternProperties: extensions,
  closed: true,
});

export const flag = of("boolean", "string");
export const number = of("number", "string");
export const integer = of("integer", "string");
export const texts = listOf(text, true);
export const textOrList: Schema = { oneOf: [text, texts] };
export const listOrMap: Schema = {
  oneOf: [
    { type: ["object"], patternProperties: [[/.+/, of("string", "number", "boolean", "null")]], closed: true },
    texts,
  ],
};
export const hosts: Schema = {
  oneOf: [{ type: ["object"], patternProperties: [[/.+/, { oneOf: [text, listOf(text)] }]], closed: true }, texts],
};
export const mounts = listOf({
  oneOf: [text, closed({ source: text, target: text, uid: text, gid: text, mode: number })],
});
export const ulimits: Schema = {
  type: ["object"],
  patternProperties: [[/^[a-z]+$/, { oneOf: [integer, closed({ hard: integer, soft: integer }, ["soft", "hard"])] }]],
};
export const options: Schema = { type: ["object"], patternProperties: [[/^.+$/, of("string", "number", "null")]] };
export const name = /^[a-zA-Z0-9._-]+$/;
export const byName = (each: Schema): Schema => ({
  type: ["object", "null"],
  patternProperties: [[name, each], ...extensions],
  closed: true,
});
export const orNull = (schema: Schema): Schema => ({ ...schema, type: [...(schema.type ?? []), "null"] });
