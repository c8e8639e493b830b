// Compose files as bake reads them: each service that is built becomes a target, all of them the group `default`.
// Counterpart: docker/buildx bake/compose.go.

import {
  attestFlag,
  lastOfEach,
  parseAttest,
  parseCaches,
  parseOutput,
  parseSecret,
  parseSsh,
  withoutEqual,
} from "../frontends/bake/index.ts";
import type { ComposeReader, Definition, DefinitionFile, Target } from "../frontends/bake/index.ts";
import { composeEnvironment, composeError, loadCompose, readProject } from "../frontends/compose/index.ts";
import type { ComposeHost, ComposeProject, ComposeSecret, ComposeService } from "../frontends/compose/index.ts";
import { isBuildError } from "../base/index.ts";
import { memoryText, ulimitText } from "./bake-compose-values.ts";
import { readExtension } from "./bake-extension.ts";

/** Where variables of compose files come from. */
export interface ComposeReaderOptions {
  readonly cwd: string;
  /** Those of the process; empty where bake must not see them. */
  readonly variables: ReadonlyMap<string, string>;
  /** Those of `--var`, which win. */
  readonly overrides: ReadonlyMap<string, string>;
  readonly home?: string | undefined;
  /** Takes one line about something odd. */
  readonly warn: (message: string) => void;
}

/** Reads compose files for bake. Errors are compose-go's. */
export function composeReader(options: ComposeReaderOptions): ComposeReader {
  const warned = new Set<string>();
  const host: ComposeHost = {
    cwd: options.cwd,
    home: options.home,
    onUnset: (name) => {
      if (warned.has(name)) return;
      warned.add(name);
      options.warn(`The ${JSON.stringify(name)} variable is not set. Defaulting to a blank string.`);
    },
  };
  const load = (files: readonly DefinitionFile[], checkReferences: boolean): ComposeProject => {
    const environment = composeEnvironment(host, options.variables, options.overrides);
    return readProject(loadCompose(files, host, environment, "bake"), host, environment, { checkReferences });
  };
  return {
    // Files are first read without their names, which shows in messages.
    check: ({ data }) => void load([{ name: "", data }], false),
    load: (files) => {
      try {
        return composeDefinition(load(files, true));
      } catch (error) {
        if (!isBuildError(error)) throw error;
        throw composeError(`failed to parse compose file: ${error.message}`, { cause: error });
      }
    },
  };
}

/** The targets of a project's services, and the group of all. @throws COMPOSE_INVALID. */
export function composeDefinition(project: ComposeProject): Definition {
  if (project.services.length === 0) return { groups: [], targets: [] };
  const targets = project.services.flatMap((service) =>
    service.build === undefined ? [] : [targetOf(service, project)],
  );
  return { groups: [{ name: "default", targets: targets.map(({ name }) => name) }], targets };
}

/** Dots of a service's name are underscores in its target's. */
export function targetName(service: string): string {
  return service.replaceAll(".", "_");
}

function targetOf(service: ComposeService, project: ComposeProject): Target {
  const name = targetName(service.name);
  if (!/^[a-zA-Z0-9_-]+$/.test(name)) {
    throw composeError(`invalid service name ${JSON.stringify(name)}: only "[a-zA-Z0-9_-]+" are allowed`);
  }
  const build = service.build!;
  const target: Target = { name };
  const text = (key: "context" | "dockerfile" | "dockerfile-inline" | "network" | "target", value: string) => {
    if (value !== "") target[key] = value;
  };
  text("context", build.context);
  text("dockerfile", build.dockerfile);
  text("dockerfile-inline", build.dockerfileInline);
  text("network", build.network);
  text("target", build.target);
  target.contexts = contextsOf(build.additionalContexts);
  target.tags = [...build.tags];
  target.platforms = [...build.platforms];
  target.labels = new Map(build.labels);
  target.args = argsOf(service, project.environment);
  if (build.shmSize > 0) target["shm-size"] = memoryText(build.shmSize);
  target.ulimits = [...build.ulimits].map(([kind, limit]) => ulimitText(kind, limit));
  target["extra-hosts"] = new Map([...build.extraHosts].map(([host, addresses]) => [host, addresses.join(",")]));
  target.ssh = bySshId(build.ssh.map(({ id, path }) => ({ id, paths: path === "" ? [] : [path] })));
  target.secret = build.secrets.map(({ source }) => secretOf(source, project.secrets.get(source)));
  target["cache-from"] = notEmpty(build.cacheFrom).flatMap(parseCaches);
  target["cache-to"] = notEmpty(build.cacheTo).flatMap(parseCaches);
  const attests = (["sbom", "provenance"] as const).filter((type) => build[type] !== "");
  target.attest = attests.map((type) => parseAttest(attestFlag(type, build[type])));
  if (build.noCache) target["no-cache"] = true;
  if (build.pull) target.pull = true;
  addExtension(target, build.extensions.get("x-bake"));
  if (target.tags.length === 0 && service.image !== "") target.tags = [service.image];
  return target;
}

function argsOf(service: ComposeService, environment: ReadonlyMap<string, string>): Map<string, string> {
  const args = new Map<string, string>();
  for (const [name, given] of service.build!.args) {
    const value = given ?? service.environment.get(name) ?? environment.get(name);
    if (value !== undefined) args.set(name, value);
  }
  return args;
}

/** A service's context is that service's target. */
function contextsOf(contexts: ReadonlyMap<string, string>): Map<string, string> {
  return new Map(
    [...contexts].map(([name, value]) => [
      name,
      /^(?:service|target):/.test(value) ? `target:${targetName(value.slice(value.indexOf(":") + 1))}` : value,
    ]),
  );
}

function secretOf(source: string, secret: ComposeSecret | undefined) {
  if (secret?.external === true) throw composeError(`unsupported external secret ${secret.name}`);
  return { id: source, src: secret?.file ?? "", env: secret?.environment ?? "" };
}

function bySshId<T extends { readonly id: string }>(entries: readonly T[]): T[] {
  return entries.toSorted((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
}

function notEmpty(texts: readonly string[]): string[] {
  return texts.filter((each) => each !== "");
}

/** What compose has no words for: lists join the service's own, the rest takes their place. */
function addExtension(target: Target, value: Parameters<typeof readExtension>[0] | undefined): void {
  if (value === undefined || value === null) return;
  const extension = readExtension(value);
  const joined = (own: readonly string[] | undefined, more: readonly string[]) => [
    ...new Set([...(own ?? []), ...more]),
  ];
  for (const key of ["tags", "platforms", "no-cache-filter"] as const) {
    const more = extension.lists.get(key) ?? [];
    if (more.length > 0) target[key] = joined(target[key], more);
  }
  const entries = <T>(key: string, parse: (text: string) => T[]) =>
    notEmpty(extension.lists.get(key) ?? []).flatMap(parse);
  for (const key of ["cache-from", "cache-to"] as const) {
    const more = entries(key, parseCaches);
    if (more.length > 0) target[key] = withoutEqual([...(target[key] ?? []), ...more]);
  }
  const secrets = entries("secret", (text) => [parseSecret(text)]);
  if (secrets.length > 0) target.secret = lastOfEach([...(target.secret ?? []), ...secrets], ({ id }) => id);
  const ssh = entries("ssh", (text) => [parseSsh(text)]);
  if (ssh.length > 0) target.ssh = bySshId(lastOfEach([...(target.ssh ?? []), ...ssh], ({ id }) => id));
  const outputs = entries("output", (text) => [parseOutput(text)]);
  if (outputs.length > 0) target.output = withoutEqual([...(target.output ?? []), ...outputs]);
  if (extension.pull !== undefined) target.pull = extension.pull;
  if (extension.noCache !== undefined) target["no-cache"] = extension.noCache;
  if (extension.contexts.size > 0) {
    target.contexts = new Map([...contextsOf(extension.contexts), ...(target.contexts ?? [])]);
  }
}
