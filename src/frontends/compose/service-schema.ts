// The part of the compose schema that a build needs: image, build, environment and env_file of services, and secrets.
// Counterpart: compose-spec schema/compose-spec.json.

import type { Schema } from "./schema.ts";
import { closed, flag, hosts, listOf, listOrMap, mounts, name, of, text, textOrList, ulimits } from "./schema-parts.ts";

export const buildPart = closed({
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

export const envFile: Schema = {
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

const service = closed({ image: text, build: { oneOf: [text, buildPart] }, environment: listOrMap, env_file: envFile });

export const secret = closed({
  name: text,
  environment: text,
  file: text,
  external: { type: ["boolean", "string", "object"], properties: { name: text } },
  labels: listOrMap,
  driver: text,
  driver_opts: { type: ["object"], patternProperties: [[/^.+$/, of("string", "number")]] },
  template_driver: text,
});

/** Of a document that has nothing else. */
export const buildSchema: Schema = {
  type: ["object"],
  properties: {
    services: { type: ["object"], patternProperties: [[name, service]], closed: true },
    secrets: { type: ["object"], patternProperties: [[name, secret]], closed: true },
  },
  closed: true,
};
