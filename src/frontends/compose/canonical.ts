// Brings short forms into the long ones, so that what comes later knows one form only. Counterpart: compose-go transform.

import { composeError } from "./error.ts";
import { PathRules, pathText } from "./pattern.ts";
import type { Path } from "./pattern.ts";
import { parsePort, parseVolume } from "./short-syntax.ts";
import { goText, goType, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

type Transform = (value: ComposeValue, path: Path) => ComposeValue;

function map(entries: Record<string, ComposeValue>): ComposeMap {
  return new Map(Object.entries(entries));
}

function wrongType(value: ComposeValue, path: Path, what: string): Error {
  return composeError(`${pathText(path)}: invalid type ${goType(value)} for ${what}`);
}

/** Names of a list; something else than a text is refused by its path. */
function names(values: readonly ComposeValue[], path: Path): string[] {
  return values.map((each, at) => {
    if (typeof each !== "string") throw composeError(`${pathText(path)}.${at} must be a string`);
    return each;
  });
}

const keep: Transform = (value) => value;
const toText: Transform = (value) => (typeof value === "string" ? value : goText(value));
const toList: Transform = (value) => (typeof value === "string" ? [value] : value);

const build: Transform = (value, path) => {
  if (typeof value === "string") return map({ context: value });
  if (isMap(value)) return children(value, path);
  throw wrongType(value, path, "build");
};

const extended: Transform = (value, path) => {
  if (typeof value === "string") return map({ service: value });
  if (isMap(value)) return children(value, path);
  throw wrongType(value, path, "extends");
};

const mount: Transform = (value, path) => {
  if (typeof value === "string") return map({ source: value });
  if (isMap(value)) return value;
  throw composeError(`${pathText(path)}: unsupported type ${goType(value)}`);
};

const keyValues: Transform = (value, path) => {
  if (isMap(value)) return value;
  if (!Array.isArray(value)) throw composeError(`${pathText(path)}: invalid type ${goType(value)}`);
  return new Map(
    names(value, path).map((each) => {
      const at = each.indexOf("=");
      if (at < 0) throw composeError(`${pathText(path)}: invalid value ${each}, expected key=value`);
      return [each.slice(0, at), each.slice(at + 1)];
    }),
  );
};

const dependencies: Transform = (value, path) => {
  const started = () => map({ condition: "service_started", required: true });
  if (Array.isArray(value)) return new Map(names(value, path).map((name) => [name, started()]));
  if (!isMap(value)) throw wrongType(value, path, "depend_on");
  return new Map(
    [...value].map(([name, each]) => {
      if (!isMap(each)) throw composeError(`${pathText(path)}.${name}: unsupported value ${goText(value)}`);
      return [name, new Map([...started(), ...each])];
    }),
  );
};

const envFiles: Transform = (value, path) => {
  const one = (each: ComposeValue): ComposeValue => {
    if (typeof each === "string") return map({ path: each, required: true });
    return isMap(each) ? new Map([["required", true as ComposeValue], ...each]) : null;
  };
  if (typeof value === "string") return [one(value)];
  if (Array.isArray(value)) return value.map(one);
  throw wrongType(value, path, "env_file");
};

const ssh: Transform = (value, path) => {
  if (isMap(value)) return value;
  if (!Array.isArray(value)) throw wrongType(value, path, "ssh");
  return new Map(
    value.map((each): [string, ComposeValue] => {
      if (typeof each !== "string") throw composeError(`invalid ssh key type ${goType(each)}`);
      const at = each.indexOf("=");
      if (at >= 0) return [each.slice(0, at), each.slice(at + 1)];
      if (each !== "default") throw composeError(`invalid ssh key ${JSON.stringify(each)}`);
      return [each, null];
    }),
  );
};

const ulimit: Transform = (value, path) => {
  if (isMap(value) || typeof value === "bigint") return value;
  throw wrongType(value, path, "external");
};

const namesToMap: Transform = (value, path) =>
  Array.isArray(value) ? new Map(names(value, path).map((name) => [name, null])) : value;

const gpus: Transform = (value, path) => {
  if (typeof value === "string") return [map({ count: "all" })];
  if (Array.isArray(value)) return value;
  throw wrongType(value, path, "gpus");
};

const device: Transform = (value, path) => {
  if (isMap(value)) return value;
  if (typeof value !== "string") throw wrongType(value, path, "service volume mount");
  const parts = value.split(":");
  if (parts.length > 3) throw composeError(`confusing device mapping, please use long syntax: ${value}`);
  const [source = "", target = "", permissions = "rwm"] = parts;
  return map({ source, target: target === "" ? source : target, permissions });
};

const volume: Transform = (value, path) => {
  if (isMap(value)) return value;
  if (typeof value !== "string") throw wrongType(value, path, "service volume mount");
  // Only where variables stay as they are written.
  return value.includes("${") ? value : parseVolume(value);
};

const ports: Transform = (value, path) => {
  if (!Array.isArray(value)) throw wrongType(value, path, "port");
  return value.flatMap((each): ComposeValue[] => {
    if (typeof each === "string" && each.includes("$")) return [each];
    if (typeof each === "string" || typeof each === "bigint") return parsePort(String(each));
    if (isMap(each)) return [each];
    throw wrongType(each, path, "port");
  });
};

const resource: Transform = (value, path) => {
  if (value === null) return null;
  if (!isMap(value)) throw composeError(`${pathText(path)} must be a mapping`);
  const external = value.get("external");
  if (!isMap(external)) return value;
  const [name, externalName] = [value.get("name"), external.get("name")];
  if (externalName !== undefined && name !== undefined && name !== externalName) {
    throw composeError(`${pathText(path)}: name and external.name conflict; only use name`);
  }
  const given = name ?? externalName;
  return new Map<string, ComposeValue>([
    ...value,
    ["external", true],
    ...(given === undefined ? [] : [["name", given] as const]),
  ]);
};

const rules = new PathRules<Transform>({
  "services.*": (value, path) => (isMap(value) ? children(value, path) : value),
  "services.*.build": build,
  "services.*.build.secrets.*": mount,
  "services.*.build.provenance": toText,
  "services.*.build.sbom": toText,
  "services.*.build.additional_contexts": keyValues,
  "services.*.build.ssh": ssh,
  "services.*.build.ulimits.*": ulimit,
  "services.*.ulimits.*": ulimit,
  "services.*.depends_on": dependencies,
  "services.*.env_file": envFiles,
  "services.*.label_file": toList,
  "services.*.extends": extended,
  "services.*.gpus": gpus,
  "services.*.networks": namesToMap,
  "services.*.models": namesToMap,
  "services.*.volumes.*": volume,
  "services.*.dns": (value) => {
    const list = toList(value, []);
    return Array.isArray(list) ? list.filter((each) => each !== null && each !== "") : list;
  },
  "services.*.devices.*": device,
  "services.*.secrets.*": mount,
  "services.*.configs.*": mount,
  "services.*.ports": ports,
  "services.*.develop.watch.*.ignore": toList,
  "services.*.develop.watch.*.include": toList,
  "volumes.*": resource,
  "networks.*": resource,
  "secrets.*": resource,
  "configs.*": resource,
  "include.*": keep,
});

/** The document in long forms. @throws COMPOSE_INVALID with the path of what can't be brought into one. */
export function canonical(document: ComposeMap): ComposeMap {
  return children(document, []);
}

function children(value: ComposeMap, path: Path): ComposeMap {
  return new Map([...value].map(([key, each]) => [key, transform(each, [...path, key])]));
}

function transform(value: ComposeValue, path: Path): ComposeValue {
  const rule = rules.find(path);
  if (rule !== undefined) return rule(value, path);
  if (isMap(value)) return children(value, path);
  return Array.isArray(value) ? value.map((each) => transform(each, [...path, "[]"])) : value;
}

/** A build without a context builds the folder itself. */
export function withDefaults(document: ComposeMap): ComposeMap {
  const services = document.get("services");
  if (!isMap(services)) return document;
  const filled = [...services].map(([name, service]): [string, ComposeValue] => {
    const given = isMap(service) ? service.get("build") : undefined;
    if (!isMap(service) || !isMap(given) || given.has("context")) return [name, service];
    return [name, new Map([...service, ["build", new Map([...given, ["context", "."]])]])];
  });
  return new Map([...document, ["services", new Map(filled)]]);
}
