// The part of the compose schema that a build needs: image, build, environment and env_file of services, and secrets.
// Counterpart: compose-spec schema/compose-spec.json.

import type { Schema, SchemaType } from "./schema.ts";

const of = (...type: SchemaType[]): Schema => ({ type });
const text = of("string");
const extensions = [[/^x-/, {}]] as const;
const listOf = (items: Schema, uniqueItems = false): Schema => ({ type: ["array"], items, uniqueItems });
const closed = (properties: Record<string, Schema>, required: string[] = []): Schema => ({
  type: ["object"],
  properties,
  required,
  patternProperties: extensions,
  closed: true,
});

const listOrMap: Schema = {
  oneOf: [
    { type: ["object"], patternProperties: [[/.+/, of("string", "number", "boolean", "null")]], closed: true },
    listOf(text, true),
  ],
};
const textOrList: Schema = { oneOf: [text, listOf(text, true)] };
const hosts: Schema = {
  oneOf: [
    { type: ["object"], patternProperties: [[/.+/, { oneOf: [text, listOf(text)] }]], closed: true },
    listOf(text, true),
  ],
};
const mounts = listOf({
  oneOf: [text, closed({ source: text, target: text, uid: text, gid: text, mode: of("number", "string") })],
});
const limit = of("integer", "string");
const ulimits: Schema = {
  type: ["object"],
  patternProperties: [[/^[a-z]+$/, { oneOf: [limit, closed({ hard: limit, soft: limit }, ["soft", "hard"])] }]],
};
const flag = of("boolean", "string");

const build = closed({
  context: text,
  dockerfile: text,
  dockerfile_inline: text,
  entitlements: listOf(text),
  args: listOrMap,
  ssh: listOrMap,
  labels: listOrMap,
  cache_from: listOf(text),
  cache_to: listOf(text),
  no_cache: flag,
  no_cache_filter: textOrList,
  additional_contexts: listOrMap,
  network: text,
  provenance: of("string", "boolean"),
  sbom: of("string", "boolean"),
  pull: flag,
  target: text,
  shm_size: of("integer", "string"),
  extra_hosts: hosts,
  isolation: text,
  privileged: flag,
  secrets: mounts,
  tags: listOf(text),
  ulimits,
  platforms: listOf(text),
});

const envFile: Schema = {
  oneOf: [
    text,
    listOf({
      oneOf: [
        text,
        {
          type: ["object"],
          closed: true,
          properties: { path: text, format: text, required: flag },
          required: ["path"],
        },
      ],
    }),
  ],
};

const service = closed({ image: text, build: { oneOf: [text, build] }, environment: listOrMap, env_file: envFile });

const secret = closed({
  name: text,
  environment: text,
  file: text,
  external: { type: ["boolean", "string", "object"], properties: { name: text } },
  labels: listOrMap,
  driver: text,
  driver_opts: { type: ["object"], patternProperties: [[/^.+$/, of("string", "number")]] },
  template_driver: text,
});

const name = /^[a-zA-Z0-9._-]+$/;

/** Of a document that has nothing else. */
export const buildSchema: Schema = {
  type: ["object"],
  properties: {
    services: { type: ["object"], patternProperties: [[name, service]], closed: true },
    secrets: { type: ["object"], patternProperties: [[name, secret]], closed: true },
  },
  closed: true,
};
