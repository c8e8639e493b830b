// Follows `include`: other projects' services, networks, volumes, secrets and configs join this one's. What this file says of the
// same name goes over it. Counterpart: compose-go loader/include.go.

import { posix } from "node:path";
import { composeError } from "./error.ts";
import { parseEnv } from "./dotenv.ts";
import { kindOf, readComposeFile } from "./host.ts";
import type { ComposeHost } from "./host.ts";
import type { LoadContext } from "./context.ts";
import { withoutReset } from "./reset.ts";
import { mergeValues } from "./merge.ts";
import { joinPath } from "./paths.ts";
import type { Path } from "./pattern.ts";
import { goText, goType, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

const resources = ["services", "volumes", "networks", "secrets", "configs", "models"];
const maxDepth = 100;

interface Include {
  readonly paths: readonly string[];
  readonly projectDirectory: string;
  readonly envFiles: readonly string[];
}

/** The document with what it includes, and without `include`. `context.included` ends with the document's own file. */
export function applyIncludes(document: ComposeMap, resets: readonly Path[], context: LoadContext): ComposeMap {
  let result = document;
  for (const include of includesOf(document.get("include") ?? null)) {
    result = imported(loadInclude(include, context), result, resets);
  }
  if (!result.has("include")) return result;
  const rest = new Map(result);
  rest.delete("include");
  return rest;
}

function includesOf(value: ComposeValue): Include[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw composeError(`\`include\` must be a list, got ${goText(value)}`);
  return value.map((each, at) => {
    if (typeof each === "string") return { paths: [each], projectDirectory: "", envFiles: [] };
    if (!isMap(each))
      throw composeError(`include[${at}] expected a map or struct, got ${JSON.stringify(goType(each))}`);
    const directory = each.get("project_directory") ?? "";
    if (typeof directory !== "string") throw composeError(`include[${at}].project_directory must be a string`);
    return {
      paths: texts(each.get("path"), `include[${at}].path`),
      projectDirectory: directory,
      envFiles: texts(each.get("env_file"), `include[${at}].env_file`),
    };
  });
}

function texts(value: ComposeValue | undefined, place: string): string[] {
  if (value === undefined || value === null) return [];
  const all = Array.isArray(value) ? value : [value];
  return all.map((each) => {
    if (typeof each !== "string") throw composeError(`'${place}' invalid type ${goType(value)} for string list`);
    return each;
  });
}

function loadInclude(include: Include, context: LoadContext): ComposeMap {
  const { host, loaderFolder, included } = context;
  const paths = include.paths.map((path) => (posix.isAbsolute(path) ? path : joinPath(loaderFolder, path)));
  const main = paths[0];
  if (main === undefined) return new Map();
  if (included.includes(main)) {
    const [first, ...rest] = [...included, main];
    throw composeError(`include cycle detected:\n${first}\n include ${rest.join("\n include ")}`);
  }
  if (included.length > maxDepth) throw composeError(`files include each other more than ${maxDepth} deep`);
  const { folder, directory } = foldersOf(include, main, context);
  const environment = new Map(context.environment);
  for (const [name, value] of environmentOf(include, directory, context)) {
    if (!environment.has(name)) environment.set(name, value);
  }
  return context.loader.model(
    paths.map((name) => ({ name })),
    { ...context, host, environment, folder, loaderFolder: directory },
  );
}

function foldersOf(include: Include, main: string, { host, folder, loaderFolder }: LoadContext) {
  const given = include.projectDirectory;
  if (given === "") {
    const own = posix.dirname(main);
    return { folder: own === "." ? "" : own, directory: own === "." ? "" : own };
  }
  if (posix.isAbsolute(given)) return { folder: given, directory: given };
  const isFolder = kindOf(host, joinPath(loaderFolder, given)) === "folder";
  return { folder: joinPath("", isFolder ? given : posix.dirname(given)), directory: joinPath(folder, given) };
}

function environmentOf(include: Include, directory: string, context: LoadContext): Map<string, string> {
  const { host, folder, environment } = context;
  const found = new Map<string, string>();
  const files = include.envFiles.filter((file) => file !== "/dev/null");
  if (include.envFiles.length === 0) {
    const file = joinPath(directory, ".env");
    if (["file", "other"].includes(kindOf(host, file))) files.push(posix.resolve(host.cwd, file));
  }
  for (const file of files) {
    const path = posix.isAbsolute(file) ? file : joinPath(folder, file);
    readEnvFile(host, path, found, environment);
  }
  return found;
}

function readEnvFile(
  host: ComposeHost,
  path: string,
  found: Map<string, string>,
  environment: ReadonlyMap<string, string>,
): void {
  const kind = kindOf(host, path);
  if (kind === "absent") {
    throw composeError(
      posix.isAbsolute(path) ? `couldn't find env file: ${path}` : `stat ${path}: no such file or directory`,
    );
  }
  if (kind === "folder") throw composeError(`${path} is not a file`);
  const text = Buffer.from(readComposeFile(host, path)).toString();
  try {
    parseEnv(text, found, (name) => environment.get(name) ?? found.get(name));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw composeError(`failed to read ${posix.resolve(host.cwd, path)}: ${reason}`, { cause: error });
  }
}

function imported(from: ComposeMap, into: ComposeMap, resets: readonly Path[]): ComposeMap {
  const result = new Map(into);
  for (const kind of resources) {
    const source = from.get(kind);
    if (!isMap(source)) continue;
    const target = into.get(kind) ?? new Map<string, ComposeValue>();
    if (!isMap(target)) throw composeError(`${kind} must be a mapping`);
    const joined = new Map(target);
    const kept = withoutReset(source, resets, [kind]);
    for (const [name, each] of source) {
      const own = joined.get(name);
      joined.set(name, own === undefined ? each : mergeValues(kept.get(name) ?? null, own, [kind, name]));
    }
    result.set(kind, joined);
  }
  return result;
}
