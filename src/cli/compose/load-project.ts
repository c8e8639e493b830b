// Finds and reads the files of a project as docker compose does: flags first, then COMPOSE_* of the environment and of `.env`, then the
// usual names here and in the folders above. Counterpart: compose-go cli/options.go.

import { existsSync, statSync } from "node:fs";
import { basename, delimiter, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { BuildError } from "../../base/index.ts";
import {
  checkProjectName,
  composeEnvironment,
  composeError,
  kindOf,
  loadCompose,
  parseEnv,
  projectNameOf,
  readComposeFile,
  readRunProject,
} from "../../frontends/compose/index.ts";
import type { ComposeFile, ComposeHost, ComposeMap, RunProject } from "../../frontends/compose/index.ts";
import type { Invocation, Shell } from "../command.ts";
import { goBool, type FlagValues } from "../flags.ts";
import { later } from "../later.ts";

const names = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const overrides = names.map((name) => name.replace(/\.ya?ml$/, ".override$&"));

export interface LoadedProject {
  readonly project: RunProject;
  /** As loaded, before names and defaults are filled in: what bake builds from. */
  readonly document: ComposeMap;
  readonly host: ComposeHost;
  readonly environment: ReadonlyMap<string, string>;
}

export interface LoadProjectOptions {
  /** Services that the command line names: their profiles are enabled. */
  readonly services?: readonly string[];
  /** All profiles. */
  readonly allProfiles?: boolean;
  /** Variables stay as they are written. */
  readonly literal?: boolean;
  readonly warn: (text: string) => void;
}

/** @throws COMPOSE_INVALID, COMPOSE_FILE_MISSING. */
export async function loadProject(invocation: Invocation, options: LoadProjectOptions): Promise<LoadedProject> {
  const { shell } = invocation;
  const flags = invocation.above!;
  refuseDryRun(flags);
  const directory = flags.string("project-directory");
  const early = earlyEnvironment(flags, shell, directory === "" ? shell.cwd : resolve(shell.cwd, directory));
  const files = filesOf(flags, shell, early, options.warn);
  const first = files.find((name) => name !== "-");
  let folder = first === undefined ? shell.cwd : dirname(first);
  if (directory !== "") folder = resolve(shell.cwd, directory);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw composeError(`${folder}: no such directory`);
  }
  const warned = new Set<string>();
  const host: ComposeHost = {
    cwd: folder,
    home: shell.env["HOME"],
    onUnset: (name) => {
      if (warned.has(name)) return;
      warned.add(name);
      options.warn(`The ${JSON.stringify(name)} variable is not set. Defaulting to a blank string.`);
    },
  };
  const environment = environmentOf(flags, shell, host);
  const given = projectNameFlag(flags, environment);
  const read: ComposeFile[] = [];
  for (const name of files) {
    if (name === "-") read.push({ name, data: await readAll(shell.stdin) });
    else read.push({ name: shownPath(name, folder) });
  }
  const places = new Map<string, string>();
  const document = loadCompose(read, host, environment, projectNameOf(basename(folder)), {
    ...(given === "" ? {} : { name: given }),
    ...(options.literal === undefined ? {} : { literal: options.literal }),
    onField: (path, file) => places.set(path, file),
  });
  const name = environment.get("COMPOSE_PROJECT_NAME") ?? "";
  if (name === "") {
    throw composeError("project name must not be empty. Use `--project-name` to set a valid name");
  }
  if (options.literal !== true) checkProjectName(name);
  const profiles = [...flags.list("profile"), ...(environment.get("COMPOSE_PROFILES") ?? "").split(",")];
  const project = readRunProject(document, host, environment, {
    name,
    files: files.filter((each) => each !== "-"),
    profiles: options.allProfiles === true ? ["*"] : profiles.map((each) => each.trim()).filter((each) => each !== ""),
    services: options.services ?? [],
    findFile: (path) => places.get(path),
    ...(options.literal === undefined ? {} : { literal: options.literal }),
  });
  return { project, document, host, environment };
}

/** A project of which only the name is known: its containers tell the rest. Undefined when files are to be read. */
export function namedProject(invocation: Invocation): RunProject | undefined {
  const { shell } = invocation;
  const flags = invocation.above!;
  refuseDryRun(flags);
  const name = flags.string("project-name") || (shell.env["COMPOSE_PROJECT_NAME"] ?? "");
  if (name === "" || flags.list("file").length > 0 || (shell.env["COMPOSE_FILE"] ?? "") !== "") return undefined;
  const folder = resolve(shell.cwd, flags.string("project-directory"));
  if (searchFiles(folder).length > 0) return undefined;
  checkProjectName(name);
  return {
    name,
    folder,
    files: [],
    services: new Map(),
    disabled: new Map(),
    networks: new Map(),
    volumes: new Map(),
    secrets: new Map(),
    configs: new Map(),
    environment: new Map(),
    document: new Map(),
    warnings: [],
  };
}

function refuseDryRun(flags: FlagValues): void {
  if (flags.bool("dry-run")) throw later("--dry-run", "slipway compose config shows what the files say");
}

function projectNameFlag(flags: FlagValues, environment: ReadonlyMap<string, string>): string {
  const name = flags.string("project-name") || (environment.get("COMPOSE_PROJECT_NAME") ?? "");
  if (name !== "") checkProjectName(name);
  return name;
}

/** What says where the files are: the environment and a `.env` of the folder at hand. */
function earlyEnvironment(flags: FlagValues, shell: Shell, folder: string): ReadonlyMap<string, string> {
  return environmentOf(flags, shell, { cwd: folder });
}

function environmentOf(flags: FlagValues, shell: Shell, host: ComposeHost): Map<string, string> {
  const own = new Map(Object.entries(shell.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
  const listed = flags.list("env-file");
  const named =
    listed.length > 0 ? listed : (own.get("COMPOSE_ENV_FILES") ?? "").split(",").filter((each) => each !== "");
  if (named.length === 0) {
    return goBool(own.get("COMPOSE_DISABLE_ENV_FILE") ?? "") === true
      ? new Map(own)
      : composeEnvironment(host, own, new Map());
  }
  const found = new Map<string, string>();
  const here: ComposeHost = { cwd: shell.cwd };
  for (const name of named) {
    const path = resolve(shell.cwd, name);
    if (kindOf(here, path) === "absent") throw composeError(`couldn't find env file: ${path}`);
    parseEnv(Buffer.from(readComposeFile(here, path)).toString(), found, (key) => own.get(key) ?? found.get(key));
  }
  return new Map([...found, ...own]);
}

/** Absolute paths, `-` for the standard input. */
function filesOf(
  flags: FlagValues,
  shell: Shell,
  environment: ReadonlyMap<string, string>,
  warn: (text: string) => void,
): string[] {
  const given = flags.list("file");
  const separator = environment.get("COMPOSE_PATH_SEPARATOR") || delimiter;
  const listed = given.length > 0 ? given : (environment.get("COMPOSE_FILE") ?? "").split(separator);
  const chosen = listed.filter((each) => each !== "");
  if (chosen.length > 0) return chosen.map((name) => (name === "-" ? name : resolve(shell.cwd, name)));
  const found = searchFiles(resolve(shell.cwd, flags.string("project-directory")));
  if (found.length === 0) {
    throw new BuildError("no configuration file provided: not found", {
      code: "COMPOSE_FILE_MISSING",
      status: "NotFound",
      hint: `${names.join(", ")} are looked for here and in the folders above; name another one with -f`,
    });
  }
  const more = names.filter((name) => existsSync(join(dirname(found[0]!), name)));
  if (more.length > 1) {
    warn(`Found multiple config files with supported names: ${more.join(", ")}`);
    warn(`Using ${found[0]!}`);
  }
  return found;
}

function searchFiles(start: string): string[] {
  for (let folder = start; ; folder = dirname(folder)) {
    const main = names.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (main !== undefined) {
      const over = overrides.map((name) => join(folder, name)).find((path) => existsSync(path));
      return over === undefined ? [main] : [main, over];
    }
    if (dirname(folder) === folder) return [];
  }
}

/** Relative to the project's folder where it is in it. */
function shownPath(path: string, folder: string): string {
  const inside = relative(folder, path);
  return inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

async function readAll(stream: AsyncIterable<string | Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}
