// `x-bake` of a compose build: what bake knows and compose does not. Unknown keys are left alone.
// Counterpart: docker/buildx bake/compose.go xbake; errors are those of go-yaml reading the extension by itself.

import { composeError, goText, isMap } from "../frontends/compose/index.ts";
import type { ComposeMap, ComposeValue } from "../frontends/compose/index.ts";

export interface BakeExtension {
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly contexts: ReadonlyMap<string, string>;
  readonly pull?: boolean;
  readonly noCache?: boolean;
}

const listKeys = "tags cache-from cache-to secret ssh platforms output no-cache-filter".split(" ");

/** @throws COMPOSE_INVALID with all that has a wrong type. */
export function readExtension(value: ComposeValue): BakeExtension {
  if (!isMap(value)) throw problems([`line 1: ${mismatch(value, "bake.xbake")}`]);
  const found: string[] = [];
  const lists = new Map<string, string[]>();
  const contexts = new Map<string, string>();
  const flags = new Map<string, boolean>();
  let line = 1;
  for (const [key, each] of [...value].sort(([a], [b]) => (a < b ? -1 : 1))) {
    // Mappings and lists start below their key.
    const start = hasOwnLines(each) ? line + 1 : line;
    if (listKeys.includes(key)) {
      const list = listOf(each);
      if (list === undefined) found.push(`line ${start}: ${mismatch(each, "string")}`);
      else lists.set(key, list);
    } else if (key === "pull" || key === "no-cache") {
      if (typeof each === "boolean") flags.set(key, each);
      else if (each !== null) found.push(`line ${start}: ${mismatch(each, "bool")}`);
    } else if (key === "contexts") {
      if (isMap(each)) for (const [name, path] of each) contexts.set(name, path === null ? "" : goText(path));
      else if (each !== null) found.push(`line ${start}: ${mismatch(each, "bake.stringMap")}`);
    }
    line += linesOf(each);
  }
  if (found.length > 0) throw problems(found);
  const [pull, noCache] = [flags.get("pull"), flags.get("no-cache")];
  return {
    lists,
    contexts,
    ...(pull === undefined ? {} : { pull }),
    ...(noCache === undefined ? {} : { noCache }),
  };
}

/** A list of scalars, or one text split on blanks. */
function listOf(value: ComposeValue): string[] | undefined {
  if (value === null) return [];
  if (isMap(value)) return undefined;
  if (!Array.isArray(value))
    return goText(value)
      .split(/\s+/)
      .filter((each) => each !== "");
  if (value.some((each) => isMap(each) || Array.isArray(each))) return undefined;
  return value.map((each) => (each === null ? "" : goText(each)));
}

function hasOwnLines(value: ComposeValue): boolean {
  return (isMap(value) && value.size > 0) || (Array.isArray(value) && value.length > 0);
}

function linesOf(value: ComposeValue): number {
  if (isMap(value)) return 1 + linesOfMap(value);
  if (Array.isArray(value)) return 1 + value.map(itemLines).reduce((sum, each) => sum + each, 0);
  return typeof value === "string" && value.includes("\n") ? value.trimEnd().split("\n").length + 1 : 1;
}

function linesOfMap(value: ComposeMap): number {
  return [...value.values()].map(linesOf).reduce((sum, each) => sum + each, 0);
}

function itemLines(value: ComposeValue): number {
  return isMap(value) ? Math.max(1, linesOfMap(value)) : Math.max(1, linesOf(value) - Number(Array.isArray(value)));
}

function mismatch(value: ComposeValue, wanted: string): string {
  if (isMap(value)) return `cannot unmarshal !!map into ${wanted}`;
  if (Array.isArray(value)) return `cannot unmarshal !!seq into ${wanted}`;
  const text = goText(value);
  const shown = text.length > 10 ? `${text.slice(0, 7)}...` : text;
  return `cannot unmarshal !!${tagOf(value)} \`${shown}\` into ${wanted}`;
}

function tagOf(value: ComposeValue): string {
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float";
  return typeof value === "boolean" ? "bool" : "str";
}

function problems(found: readonly string[]): Error {
  return composeError(`yaml: unmarshal errors:\n${found.map((each) => `  ${each}`).join("\n")}`);
}
