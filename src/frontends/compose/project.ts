// The typed part of a loaded document: what services build, the variables they have, and the secrets. All else stays plain data.
// Counterpart: compose-go types, loader ModelToProject, checkConsistency.

import { composeError } from "./error.ts";
import { readBuild } from "./build.ts";
import type { ComposeBuild } from "./build.ts";
import { environmentWithFiles } from "./env-files.ts";
import type { ComposeHost } from "./host.ts";
import { toBoolean } from "./interpolate.ts";
import { Collected, equalsMapping } from "./read.ts";
import { validate } from "./schema.ts";
import { buildSchema } from "./service-schema.ts";
import { isMap, mapAt } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

export interface ComposeService {
  readonly name: string;
  /** Empty where none is named. */
  readonly image: string;
  readonly build?: ComposeBuild;
  /** A null value: named, but set nowhere. */
  readonly environment: ReadonlyMap<string, string | null>;
}

export interface ComposeSecret {
  readonly name: string;
  readonly file: string;
  readonly environment: string;
  readonly external: boolean;
}

export interface ComposeProject {
  readonly services: readonly ComposeService[];
  readonly secrets: ReadonlyMap<string, ComposeSecret>;
  readonly environment: ReadonlyMap<string, string>;
  /** All that the files say. */
  readonly document: ComposeMap;
}

const invalid = "invalid compose project";
const serviceKeys = ["image", "build", "environment", "env_file"];

/** Reads what a build needs. Only that part is checked against the schema. @throws COMPOSE_INVALID. */
export function readProject(
  document: ComposeMap,
  host: ComposeHost,
  environment: ReadonlyMap<string, string>,
  { checkReferences = true } = {},
): ComposeProject {
  const relevant = relevantPart(document);
  if (relevant.size === 0) throw composeError("empty compose file");
  validate(relevant, buildSchema);
  const problems = new Collected();
  const services = [...(mapAt(relevant, "services") ?? [])].map(([name, value]) =>
    readService(name, value as ComposeMap, problems),
  );
  const secrets = new Map(
    [...(mapAt(relevant, "secrets") ?? [])].map(([name, value]) => [name, readSecret(name, value, problems)]),
  );
  problems.throwAny();
  if (checkReferences) for (const { service } of services) checkService(service, services, secrets);
  return {
    services: services.map(({ service, envFiles }) => ({
      ...service,
      environment: environmentWithFiles(service.environment, envFiles, { host, environment }),
    })),
    secrets,
    environment,
    document,
  };
}

function relevantPart(document: ComposeMap): ComposeMap {
  const part: ComposeMap = new Map();
  const services = document.get("services");
  if (isMap(services)) {
    const kept = [...services].flatMap(([name, service]): [string, ComposeValue][] => {
      if (service === null) return [[name, new Map()]];
      if (!isMap(service)) return [];
      return [[name, new Map([...service].filter(([key]) => serviceKeys.includes(key)))]];
    });
    part.set("services", new Map(kept));
  }
  if (document.has("secrets")) part.set("secrets", document.get("secrets")!);
  return part;
}

interface ReadService {
  readonly service: ComposeService;
  readonly envFiles: readonly ComposeMap[];
}

function readService(name: string, value: ComposeMap, problems: Collected): ReadService {
  const build = value.get("build");
  const files = value.get("env_file");
  const place = `services[${name}]`;
  return {
    service: {
      name,
      image: (value.get("image") as string | undefined) ?? "",
      environment: problems.at(`${place}.environment`, new Map(), () =>
        equalsMapping(value.get("environment") ?? null),
      ),
      ...(isMap(build) ? { build: readBuild(build, `${place}.build`, problems) } : {}),
    },
    envFiles: Array.isArray(files) ? files.filter(isMap) : [],
  };
}

function readSecret(name: string, value: ComposeValue, problems: Collected): ComposeSecret {
  const text = (key: string) => {
    const found = isMap(value) ? value.get(key) : undefined;
    return typeof found === "string" ? found : "";
  };
  const external = isMap(value) ? value.get("external") : undefined;
  return {
    name: text("name"),
    file: text("file"),
    environment: text("environment"),
    external: problems.at(`secrets[${name}].external`, false, () =>
      typeof external === "string" ? toBoolean(external) : external === true,
    ),
  };
}

function checkService(
  { name, image, build }: ComposeService,
  services: readonly ReadService[],
  secrets: ReadonlyMap<string, ComposeSecret>,
): void {
  const shown = JSON.stringify(name);
  if (build === undefined) {
    if (image !== "") return;
    throw composeError(`service ${shown} has neither an image nor a build context specified: ${invalid}`);
  }
  if (build.dockerfileInline !== "" && build.dockerfile !== "") {
    throw composeError(`service ${shown} declares mutualy exclusive dockerfile and dockerfile_inline: ${invalid}`);
  }
  for (const [context, value] of build.additionalContexts) {
    if (!value.startsWith("service:")) continue;
    const target = value.slice("service:".length);
    const found = services.find(({ service }) => service.name === target)?.service;
    if (found?.build !== undefined) continue;
    const kind = found === undefined ? "unknown" : "non-buildable";
    throw composeError(
      `service ${shown} declares ${kind} service ${JSON.stringify(target)} as additional contexts ${context}`,
    );
  }
  for (const { source } of build.secrets) {
    if (!secrets.has(source)) {
      throw composeError(`service ${shown} refers to undefined build secret ${source}: ${invalid}`);
    }
  }
}
