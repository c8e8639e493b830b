// Loads compose files into one document: values put in, includes and extensions followed, files merged, long forms only.
// Counterpart: compose-go loader/loader.go without normalisation.

import { composeError } from "./error.ts";
import type { ComposeFile, LoadContext, LoadedFile, Loader } from "./context.ts";
import { canonical, withDefaults } from "./canonical.ts";
import { readDocuments } from "./document.ts";
import { parseEnv } from "./dotenv.ts";
import { applyExtends } from "./extends.ts";
import { kindOf, readComposeFile } from "./host.ts";
import type { ComposeHost } from "./host.ts";
import { applyIncludes } from "./include.ts";
import { interpolate } from "./interpolate.ts";
import { mergeDocuments } from "./merge.ts";
import type { Path } from "./pattern.ts";
import { withoutReset } from "./reset.ts";
import { resolvePaths } from "./paths.ts";
import { substitute, templateErrorAt } from "./template.ts";
import { withUniqueEntries } from "./unique.ts";
import { isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

const maxFiles = 1000;
const mayNameProject = /(?:^|[{,\s])["']?name["']?\s*:/m;

const loader: Loader = {
  model: (files, context) => loadModel(files, context),
  plain: (file, context) => loadFile(file, context, new Map(), true),
};

/** Variables of the process, then those of `.env`; `overrides` win over both. @throws COMPOSE_INVALID for a bad `.env`. */
export function composeEnvironment(
  host: ComposeHost,
  variables: ReadonlyMap<string, string>,
  overrides: ReadonlyMap<string, string>,
): Map<string, string> {
  const environment = new Map(variables);
  if (["file", "other"].includes(kindOf(host, ".env"))) {
    const found = new Map<string, string>();
    const text = Buffer.from(readComposeFile(host, ".env")).toString();
    parseEnv(text, found, (name) => environment.get(name));
    for (const [name, value] of found) if (!environment.has(name)) environment.set(name, value);
  }
  for (const [name, value] of overrides) environment.set(name, value);
  return environment;
}

/** What a caller may know better than the files, or want to know of them. */
export interface LoadExtras {
  /** The project's name, whatever files and environment say. */
  readonly name?: string;
  /** Variables stay as they are written. */
  readonly literal?: boolean;
  /** Told which file says something, in order. Paths are long: `services.web.image`. */
  readonly onField?: (path: string, file: string) => void;
}

/** The files as one document. Adds the project's name to `environment`. @throws COMPOSE_INVALID. */
export function loadCompose(
  files: readonly ComposeFile[],
  host: ComposeHost,
  environment: Map<string, string>,
  defaultName: string,
  extras: LoadExtras = {},
): ComposeMap {
  const name = extras.name ?? projectName(files, host, environment, defaultName);
  environment.set("COMPOSE_PROJECT_NAME", name);
  const context: LoadContext = {
    host,
    environment,
    folder: "",
    loaderFolder: "",
    included: [],
    loader,
    budget: { left: maxFiles },
    ...(extras.onField === undefined ? {} : { onField: extras.onField }),
    ...(extras.literal === undefined ? {} : { literal: extras.literal }),
  };
  const document = loadModel(files, context);
  if (document.size === 0) throw composeError("empty compose file");
  return document;
}

function projectName(
  files: readonly ComposeFile[],
  host: ComposeHost,
  environment: ReadonlyMap<string, string>,
  defaultName: string,
): string {
  let given = "";
  for (const { name, data } of files) {
    try {
      const read = data ?? readComposeFile(host, name);
      // Reading a file twice takes its time: only where it can name a project.
      if (!mayNameProject.test(Buffer.from(read).toString())) continue;
      for (const { value } of readDocuments(read, name)) {
        const named = isMap(value) ? value.get("name") : undefined;
        if (typeof named === "string" && named !== "") given = named;
      }
    } catch {
      // Told again, with its place, when the file is loaded.
    }
  }
  try {
    given = substitute(given, { lookup: (name) => environment.get(name) });
  } catch (error) {
    throw templateErrorAt("name", error);
  }
  return given === "" ? environment.get("COMPOSE_PROJECT_NAME") || defaultName : given;
}

/** Files of one include, or those that were asked for. */
function loadModel(files: readonly ComposeFile[], context: LoadContext): ComposeMap {
  let document: ComposeMap = new Map();
  for (const file of files) document = loadFile(file, context, document, false).document;
  return resolveEnvironment(
    resolvePaths(withDefaults(document), { folder: context.folder, home: context.host.home }),
    context.environment,
  );
}

/** What a file adds, and what its last document resets. `plain` leaves includes and extensions unfollowed. */
function loadFile(file: ComposeFile, context: LoadContext, base: ComposeMap, plain: boolean): LoadedFile {
  if (context.budget.left-- <= 0) {
    throw composeError(`more than ${maxFiles} compose files are included or extended`);
  }
  let document = base;
  let resets: readonly Path[] = [];
  const { lookup, onUnset } = variablesOf(context);
  for (const read of readDocuments(file.data ?? readComposeFile(context.host, file.name), file.name)) {
    if (!isMap(read.value)) throw composeError("top-level object must be a mapping");
    resets = read.resets;
    tellFields(read.value, file.name, context);
    let added =
      context.literal === true
        ? read.value
        : interpolate(read.value, { lookup, ...(onUnset === undefined ? {} : { onUnset }) });
    if (!plain) added = applyIncludes(added, resets, { ...context, included: [...context.included, file.name] });
    document = withoutReset(document, resets);
    if (!plain) added = applyExtends(added, file.name, resets, context);
    document = withUniqueEntries(mergeDocuments(document, added));
    document = withUniqueEntries(canonical(document));
  }
  return { document, resets };
}

/** Names what a file says of services and resources, for messages that are about one of those. */
function tellFields(document: ComposeMap, file: string, { onField }: LoadContext): void {
  if (onField === undefined) return;
  for (const [section, members] of document) {
    onField(section, file);
    if (!isMap(members)) continue;
    for (const [name, member] of members) {
      onField(`${section}.${name}`, file);
      if (isMap(member)) for (const key of member.keys()) onField(`${section}.${name}.${key}`, file);
    }
  }
}

function variablesOf({ environment, host }: LoadContext) {
  return { lookup: (name: string) => environment.get(name), onUnset: host.onUnset };
}

/** Variables of services that are only named take the value that they have here. */
function resolveEnvironment(document: ComposeMap, environment: ReadonlyMap<string, string>): ComposeMap {
  const services = document.get("services");
  if (!isMap(services)) return document;
  const resolved = [...services].map(([name, service]): [string, ComposeValue] => {
    const listed = isMap(service) ? service.get("environment") : undefined;
    if (!isMap(service) || !Array.isArray(listed)) return [name, service];
    const filled = listed
      .filter((each) => typeof each === "string")
      .map((each) => (environment.has(each) ? `${each}=${environment.get(each)}` : each));
    return [name, new Map<string, ComposeValue>([...service, ["environment", filled]])];
  });
  return new Map<string, ComposeValue>([...document, ["services", new Map(resolved)]]);
}
