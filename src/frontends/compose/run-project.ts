// A loaded document as a project that runs: checked against the whole schema, names and defaults filled in, profiles applied,
// variables read. Counterpart: compose-go loader ModelToProject, types/project.go.

import { resolve } from "node:path";
import { parseEnv } from "./dotenv.ts";
import { environmentWithFiles } from "./env-files.ts";
import { composeError } from "./error.ts";
import { Fields } from "./fields.ts";
import { readComposeFile } from "./host.ts";
import type { ComposeHost } from "./host.ts";
import { normalize } from "./normalize.ts";
import { projectSchema } from "./project-schema.ts";
import { Collected } from "./read.ts";
import { checkRunProject } from "./run-consistency.ts";
import { unsupportedFields } from "./run-fields.ts";
import type { FindFile } from "./run-fields.ts";
import type { RunFileSource, RunNetwork, RunProject, RunService, RunVolume, ServiceMount } from "./run-model.ts";
import { optionsOf, readRunService } from "./run-service.ts";
import { validate } from "./schema.ts";
import { isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

export interface RunProjectOptions {
  readonly name: string;
  readonly files: readonly string[];
  /** `*` enables all. */
  readonly profiles: readonly string[];
  /** Services that are named: their profiles are enabled too. */
  readonly services: readonly string[];
  readonly findFile?: FindFile;
  /** Variables stay as they are written: the document alone is of use then. */
  readonly literal?: boolean;
}

/** @throws COMPOSE_INVALID. `host.cwd` is the project's folder. */
export function readRunProject(
  loaded: ComposeMap,
  host: ComposeHost,
  environment: ReadonlyMap<string, string>,
  options: RunProjectOptions,
): RunProject {
  const services = loaded.get("services");
  const listed = isMap(services) ? [...services].map(([key, each]) => [key, each ?? new Map()] as const) : [];
  const document =
    listed.length > 0 ? new Map<string, ComposeValue>([...loaded, ["services", new Map(listed)]]) : loaded;
  validate(document, projectSchema);
  const normal = normalize(document, options.name);
  const problems = new Collected();
  const fields = new Fields(normal, "", problems);
  const all = (options.literal === true ? [] : fields.entries("services")).map(([name, each]) =>
    readRunService(name, new Fields(each.map, `services[${name}]`, problems)),
  );
  const project = {
    networks: byKey(fields, "networks", networkOf),
    volumes: byKey(fields, "volumes", volumeOf),
    secrets: byKey(fields, "secrets", (key, each) => fileSourceOf(key, each, host)),
    configs: byKey(fields, "configs", (key, each) => fileSourceOf(key, each, host)),
  };
  if (options.literal !== true) problems.throwAny();
  const profiles = enabledProfiles(all, options);
  const isEnabled = (each: RunService) =>
    each.profiles.length === 0 || each.profiles.some((one) => profiles.has(one)) || profiles.has("*");
  const pick = (enabled: boolean) =>
    new Map(
      all
        .filter((each) => isEnabled(each) === enabled)
        .map((each) => [each.name, enabled ? completed(each, fields, { host, environment }) : each]),
    );
  const result: RunProject = {
    name: options.name,
    folder: host.cwd,
    files: options.files,
    services: pick(true),
    disabled: pick(false),
    ...project,
    environment,
    document: normal,
    warnings: unsupportedFields(document, options.findFile ?? (() => undefined)),
  };
  if (options.literal !== true) checkRunProject(result);
  return result;
}

/** As compose-go makes one of a folder's name: lower case, nothing but letters, digits, `-` and `_`, no such mark in front. */
export function projectNameOf(text: string): string {
  return (text.toLowerCase().match(/[a-z0-9_-]/g) ?? []).join("").replace(/^[_-]+/, "");
}

/** @throws COMPOSE_INVALID for a name that is none. */
export function checkProjectName(name: string): void {
  if (name !== "" && projectNameOf(name) === name) return;
  throw composeError(
    `invalid project name ${JSON.stringify(name)}: must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number`,
  );
}

function enabledProfiles(services: readonly RunService[], options: RunProjectOptions): Set<string> {
  const profiles = new Set(options.profiles);
  for (const name of options.services) {
    const service = services.find((each) => each.name === name);
    if (service?.profiles.some((each) => profiles.has(each)) !== true) {
      for (const each of service?.profiles ?? []) profiles.add(each);
    }
  }
  return profiles;
}

interface Completion {
  readonly host: ComposeHost;
  readonly environment: ReadonlyMap<string, string>;
}

/** With variables and labels of its files, and paths that start at the root. */
function completed(service: RunService, fields: Fields, { host, environment }: Completion): RunService {
  const said = fields.at("services").at(service.name);
  const files = said.map.get("env_file");
  const variables = environmentWithFiles(service.environment, Array.isArray(files) ? files.filter(isMap) : [], {
    host,
    environment,
  });
  const labels = new Map<string, string>();
  for (const path of said.texts("label_file")) {
    parseEnv(Buffer.from(readComposeFile(host, path)).toString(), labels, (name) => environment.get(name));
  }
  return {
    ...service,
    environment: variables,
    labels: new Map([...labels, ...service.labels]),
    mounts: service.mounts.map((each) => absolute(each, host.cwd)),
    watch: service.watch.map((each) => ({ ...each, path: resolve(host.cwd, each.path) })),
  };
}

function absolute(mount: ServiceMount, folder: string): ServiceMount {
  return mount.type === "bind" ? { ...mount, source: resolve(folder, mount.source) } : mount;
}

function byKey<T>(fields: Fields, section: string, read: (key: string, each: Fields) => T): Map<string, T> {
  return new Map(fields.entries(section).map(([key, each]) => [key, read(key, each)]));
}

function networkOf(key: string, each: Fields): RunNetwork {
  return {
    key,
    name: each.text("name"),
    external: each.flag("external") ?? false,
    driver: each.text("driver"),
    internal: each.flag("internal") ?? false,
    enableIpv6: each.flag("enable_ipv6") ?? false,
    labels: each.labels("labels"),
    subnets: each
      .at("ipam")
      .each("config")
      .map((one) => ({ subnet: one.text("subnet"), gateway: one.text("gateway"), ipRange: one.text("ip_range") })),
  };
}

function volumeOf(key: string, each: Fields): RunVolume {
  return {
    key,
    name: each.text("name"),
    external: each.flag("external") ?? false,
    driver: each.text("driver"),
    driverOptions: optionsOf(each, "driver_opts"),
    labels: each.labels("labels"),
  };
}

function fileSourceOf(key: string, each: Fields, host: ComposeHost): RunFileSource {
  const file = each.text("file");
  return {
    key,
    name: each.text("name"),
    external: each.flag("external") ?? false,
    file: file === "" ? "" : resolve(host.cwd, file),
    environment: each.text("environment"),
    content: each.map.has("content") ? each.text("content") : undefined,
  };
}
