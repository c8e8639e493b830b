// A definition as JSON, as `bake --print` shows it: it can be read again as a bake file.
// Counterpart: docker/buildx bake/bake.go MarshalJSON, Go's encoding/json.

import { compareText } from "../values/value.ts";
import { textToJson } from "../values/json.ts";
import type { AttestEntry, CacheEntry, OutputEntry, PolicyEntry } from "./entries.ts";
import type { Group, Target } from "./target.ts";

type Json = string | number | bigint | boolean | null | readonly Json[] | ReadonlyMap<string, Json>;

/** Indented by two spaces, keys of maps sorted. */
export function printDefinition(groups: ReadonlyMap<string, Group>, targets: ReadonlyMap<string, Target>): string {
  const shownGroups = sorted([...groups].map(([name, group]) => [name, groupJson(group)]));
  const shownTargets = sorted([...targets].map(([name, target]) => [name, targetJson(target)]));
  const document = new Map<string, Json>();
  if (shownGroups.size > 0) document.set("group", shownGroups);
  document.set("target", shownTargets);
  return render(document, "");
}

/** A JSON value as Go writes it with an indentation of two spaces. */
export function renderJson(value: Json): string {
  return render(value, "");
}

function groupJson({ description, targets }: Group): Json {
  const json = new Map<string, Json>();
  if (description !== undefined && description !== "") json.set("description", description);
  json.set("targets", targets);
  return json;
}

/** What a target says, in the order of the file format's fields; what is empty is left out. */
export function targetJson(target: Target): ReadonlyMap<string, Json> {
  const json = new Map<string, Json>();
  const text = (key: "context" | "dockerfile" | "target" | "network" | "shm-size" | "call") => {
    if (target[key] !== undefined) json.set(key, target[key]);
  };
  const list = (key: string, values: readonly Json[] | undefined) => {
    if (values !== undefined && values.length > 0) json.set(key, values);
  };
  const map = (
    key: string,
    values: ReadonlyMap<string, string | null> | undefined,
    change = (value: string) => value,
  ) => {
    if (values === undefined || values.size === 0) return;
    json.set(key, sorted([...values].map(([name, value]) => [name, value === null ? null : change(value)])));
  };
  if (target.description !== undefined && target.description !== "") json.set("description", target.description);
  list("annotations", target.annotations?.map(escape));
  list("attest", target.attest?.map(attestJson));
  text("context");
  map("contexts", target.contexts);
  text("dockerfile");
  if (target["dockerfile-inline"] !== undefined) json.set("dockerfile-inline", escape(target["dockerfile-inline"]));
  map("args", target.args, escape);
  map("labels", target.labels, escape);
  list("tags", target.tags);
  list("cache-from", target["cache-from"]?.map(cacheJson));
  list("cache-to", target["cache-to"]?.map(cacheJson));
  text("target");
  list(
    "secret",
    target.secret?.map(({ id, src, env }) =>
      present([
        ["id", id],
        ["src", src],
        ["env", env],
      ]),
    ),
  );
  list(
    "ssh",
    target.ssh?.map(
      ({ id, paths }) =>
        new Map<string, Json>([...present([["id", id]]), ...(paths.length === 0 ? [] : [["paths", paths] as const])]),
    ),
  );
  list("platforms", target.platforms);
  list("output", target.output?.map(outputJson));
  if (target.pull !== undefined) json.set("pull", target.pull);
  if (target["no-cache"] !== undefined) json.set("no-cache", target["no-cache"]);
  text("network");
  list("no-cache-filter", target["no-cache-filter"]);
  text("shm-size");
  list("ulimits", target.ulimits);
  if (target.resources !== undefined) json.set("resources", resourcesJson(target.resources));
  text("call");
  list("entitlements", target.entitlements);
  map("extra-hosts", target["extra-hosts"], escape);
  list("policy", target.policy?.map(policyJson));
  return json;
}

function present(pairs: readonly (readonly [string, string])[]): ReadonlyMap<string, Json> {
  return new Map(pairs.filter(([, value]) => value !== ""));
}

function attestJson({ type, disabled, attributes }: AttestEntry): Json {
  return sorted<Json>([
    ...Object.entries(attributes),
    ["type", type],
    ...(disabled ? ([["disabled", true]] as const) : []),
  ]);
}

function cacheJson({ type, attributes }: CacheEntry): Json {
  return sorted<Json>([...Object.entries(attributes), ["type", type]]);
}

function outputJson({ type, dest, attributes }: OutputEntry): Json {
  return sorted<Json>([
    ...Object.entries(attributes),
    ["type", type],
    ...(dest === "" ? [] : ([["dest", dest]] as const)),
  ]);
}

function resourcesJson(resources: NonNullable<Target["resources"]>): Json {
  const keys = [
    "memory",
    "memory-swap",
    "cpu-shares",
    "cpu-period",
    "cpu-quota",
    "cpuset-cpus",
    "cpuset-mems",
  ] as const;
  return new Map(keys.flatMap((key) => (resources[key] === undefined ? [] : [[key, resources[key]] as const])));
}

/** The field names are those of bake's own type, as bake prints them. */
function policyJson(policy: PolicyEntry): Json {
  const files = policy.files.map(
    (file) =>
      new Map<string, Json>([
        ["Filename", file],
        ["Data", null],
      ]),
  );
  return new Map<string, Json>([
    ["Files", files.length === 0 ? null : files],
    ["Reset", policy.reset],
    ["Disabled", policy.disabled],
    ["Strict", policy.strict ?? null],
    ["LogLevel", policy.logLevel ?? null],
  ]);
}

/** So that the text reads back as it is. */
function escape(text: string): string {
  return text.replaceAll(/[$%]\{/g, (mark) => mark[0] + mark);
}

function sorted<T>(entries: readonly (readonly [string, T])[]): Map<string, T> {
  return new Map([...entries].sort(([a], [b]) => compareText(a, b)));
}

function render(value: Json, indent: string): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return textToJson(value);
  const inner = `${indent}  `;
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string, Json>)];
    if (entries.length === 0) return "{}";
    const lines = entries.map(([key, each]) => `${inner}${textToJson(key)}: ${render(each, inner)}`);
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  const items = value as readonly Json[];
  if (items.length === 0) return "[]";
  return `[\n${items.map((each) => inner + render(each, inner)).join(",\n")}\n${indent}]`;
}
