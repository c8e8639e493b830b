// A service's `build`, typed. Counterpart: compose-go types/build.go.

import { parseBytes } from "./bytes.ts";
import { toBoolean } from "./interpolate.ts";
import { equalsMapping, hostsOf, textMapping, texts } from "./read.ts";
import type { Collected } from "./read.ts";
import { goText, isMap, mapAt } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

/** Texts are empty, lists and maps have no entries where nothing is said. */
export interface ComposeBuild {
  readonly context: string;
  readonly dockerfile: string;
  readonly dockerfileInline: string;
  readonly target: string;
  readonly network: string;
  readonly isolation: string;
  readonly sbom: string;
  readonly provenance: string;
  /** Null: the value is that of the environment. */
  readonly args: ReadonlyMap<string, string | null>;
  readonly labels: ReadonlyMap<string, string>;
  readonly additionalContexts: ReadonlyMap<string, string>;
  readonly extraHosts: ReadonlyMap<string, readonly string[]>;
  readonly tags: readonly string[];
  readonly platforms: readonly string[];
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly noCacheFilter: readonly string[];
  readonly entitlements: readonly string[];
  readonly ssh: readonly { readonly id: string; readonly path: string }[];
  readonly secrets: readonly { readonly source: string; readonly target: string }[];
  readonly ulimits: ReadonlyMap<string, Ulimit>;
  /** Bytes; 0 for none. */
  readonly shmSize: number;
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly privileged: boolean;
  /** Keys that start with `x-`. */
  readonly extensions: ReadonlyMap<string, ComposeValue>;
}

/** One number for both limits, or each by itself. */
export interface Ulimit {
  readonly single: number;
  readonly soft: number;
  readonly hard: number;
}

/** Reads a build that the schema has passed. */
export function readBuild(build: ComposeMap, place: string, problems: Collected): ComposeBuild {
  const text = (key: string) => {
    const value = build.get(key);
    return typeof value === "string" ? value : "";
  };
  const read = <T>(key: string, otherwise: T, reader: (value: ComposeValue) => T): T =>
    build.has(key) ? problems.at(`${place}.${key}`, otherwise, () => reader(build.get(key)!)) : otherwise;
  const list = (key: string) => read<string[]>(key, [], texts);
  const flag = (key: string) =>
    read(key, false, (value) => (typeof value === "string" ? toBoolean(value) : value === true));
  return {
    context: text("context"),
    dockerfile: text("dockerfile"),
    dockerfileInline: text("dockerfile_inline"),
    target: text("target"),
    network: text("network"),
    isolation: text("isolation"),
    sbom: text("sbom"),
    provenance: text("provenance"),
    args: read("args", new Map<string, string | null>(), equalsMapping),
    labels: read("labels", new Map<string, string>(), textMapping),
    additionalContexts: read("additional_contexts", new Map<string, string>(), textMapping),
    extraHosts: read("extra_hosts", new Map<string, string[]>(), hostsOf),
    tags: list("tags"),
    platforms: list("platforms"),
    cacheFrom: list("cache_from"),
    cacheTo: list("cache_to"),
    noCacheFilter: list("no_cache_filter"),
    entitlements: list("entitlements"),
    ssh: [...(mapAt(build, "ssh") ?? [])].map(([id, path]) => ({ id, path: path === null ? "" : goText(path) })),
    secrets: secretsOf(build.get("secrets") ?? null),
    ulimits: read("ulimits", new Map<string, Ulimit>(), ulimitsOf),
    shmSize: read("shm_size", 0, (value) => (typeof value === "string" ? parseBytes(value) : Number(value))),
    noCache: flag("no_cache"),
    pull: flag("pull"),
    privileged: flag("privileged"),
    extensions: new Map([...build].filter(([key]) => key.startsWith("x-"))),
  };
}

function secretsOf(value: ComposeValue): { source: string; target: string }[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isMap).map((each) => ({
    source: goText(each.get("source") ?? ""),
    target: goText(each.get("target") ?? ""),
  }));
}

function ulimitsOf(value: ComposeValue): Map<string, Ulimit> {
  if (!isMap(value)) return new Map();
  return new Map(
    [...value].map(([name, each]) => {
      const of = (key: string) => (isMap(each) ? Number(each.get(key) ?? 0) : 0);
      return [name, { single: isMap(each) ? 0 : Number(each), soft: of("soft"), hard: of("hard") }];
    }),
  );
}
