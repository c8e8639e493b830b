// Makes the paths of a document relative to the folder that the whole project is read from. Counterpart: compose-go paths.

import { posix } from "node:path";
import { composeError } from "./error.ts";
import { PathRules, pathText } from "./pattern.ts";
import type { Path } from "./pattern.ts";
import { goType, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

/** Where paths start. */
export interface PathBase {
  /** Of the document; empty for the working directory. */
  readonly folder: string;
  /** What `~` stands for; undefined where that is not known. */
  readonly home?: string | undefined;
}

type Resolver = (value: ComposeValue, base: PathBase, path: Path) => ComposeValue;

/** Joins as Go does: the result is clean, and empty only where both are. */
export function joinPath(folder: string, name: string): string {
  if (folder === "" && name === "") return "";
  const joined = folder === "" ? posix.normalize(name) : posix.join(folder, name);
  return joined.length > 1 && joined.endsWith("/") ? joined.slice(0, -1) : joined;
}

function expandHome(text: string, { home }: PathBase): string {
  return text.startsWith("~") && home !== undefined ? joinPath(home, text.slice(1)) : text;
}

const file: Resolver = (value, base, path) => {
  if (Array.isArray(value)) return value.map((each) => file(each, base, path));
  if (typeof value !== "string") throw composeError(`unexpected type ${goType(value)}`);
  const text = expandHome(value, base);
  return text === "" || posix.isAbsolute(text) ? text : joinPath(base.folder, text);
};

const remote = ["https://", "http://", "git://", "ssh://", "github.com/", "git@"];

const context: Resolver = (value, base, path) => {
  if (typeof value !== "string") throw composeError(`${pathText(path)} must be a string`);
  const isPath =
    !value.includes("://") && !value.startsWith("service:") && !remote.some((each) => value.startsWith(each));
  return isPath ? file(value, base, path) : value;
};

const anyPath: Resolver = (value, base) => {
  if (typeof value !== "string") return value;
  const text = expandHome(value, base);
  const absolute = posix.isAbsolute(text) || /^(?:[A-Za-z]:[\\/]|\\\\)/.test(text);
  return absolute ? text : joinPath(base.folder, text);
};

const bind: Resolver = (value, base, path) => {
  if (!isMap(value) || value.get("type") !== "bind") return value;
  const source = value.get("source");
  if (source === undefined) {
    throw composeError(`invalid mount config for type "bind": field Source must not be empty`);
  }
  return new Map([...value, ["source", anyPath(source, base, path)]]);
};

const rules = new PathRules<Resolver>({
  "services.*.build.context": context,
  "services.*.build.additional_contexts.*": context,
  "services.*.build.ssh.*": anyPath,
  "services.*.env_file.*.path": file,
  "services.*.label_file.*": file,
  "services.*.extends.file": file,
  "services.*.volumes.*": bind,
  "services.*.develop.watch.*.path": anyPath,
  "configs.*.file": anyPath,
  "secrets.*.file": anyPath,
});

/** The document with its paths changed. @throws COMPOSE_INVALID for what should be a path and is not. */
export function resolvePaths(document: ComposeMap, base: PathBase): ComposeMap {
  return resolveAt(document, base, []) as ComposeMap;
}

function resolveAt(value: ComposeValue, base: PathBase, path: Path): ComposeValue {
  const rule = rules.find(path);
  if (rule !== undefined) return rule(value, base, path);
  if (isMap(value)) return new Map([...value].map(([key, each]) => [key, resolveAt(each, base, [...path, key])]));
  return Array.isArray(value) ? value.map((each) => resolveAt(each, base, [...path, "[]"])) : value;
}
