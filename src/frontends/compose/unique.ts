// Lists whose entries are known by a key: a later entry takes an earlier one's place. Counterpart: compose-go override/uncity.go.

import { composeError } from "./error.ts";
import { PathRules, pathText } from "./pattern.ts";
import type { Path } from "./pattern.ts";
import { goText, goType, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

type Indexer = (entry: ComposeValue, path: Path) => string;

const byKey: Indexer = (entry, path) => {
  if (typeof entry !== "string") throw composeError(`${pathText(path)}: unexpected type ${goType(entry)}`);
  return entry.split("=", 1)[0]!;
};

const byTarget =
  (what: string, fromText: (text: string) => string): Indexer =>
  (entry, path) => {
    if (typeof entry === "string") return fromText(entry);
    if (!isMap(entry)) return "";
    const target = entry.get("target");
    if (typeof target !== "string") {
      throw composeError(`service ${what} ${pathText(path)} is missing a mount target`);
    }
    return target;
  };

const byMount =
  (folder: string): Indexer =>
  (entry, path) => {
    if (typeof entry === "string") return `${folder}/${entry}`;
    if (!isMap(entry)) throw composeError(`${pathText(path)}: unsupported expose value ${goText(entry)}`);
    return entry.has("target") ? goText(entry.get("target")!) : `${folder}/${goText(entry.get("source") ?? null)}`;
  };

const byEnvFile: Indexer = (entry, path) => {
  if (typeof entry === "string") return entry;
  if (!isMap(entry)) return "";
  const file = entry.get("path");
  if (file === undefined) throw composeError(`environment path attribute ${pathText(path)} is missing`);
  return goText(file);
};

const byExpose: Indexer = (entry, path) => {
  if (typeof entry === "string" || typeof entry === "bigint") return String(entry);
  throw composeError(`${pathText(path)}: unsupported expose value ${goText(entry)}`);
};

const byPort: Indexer = (entry, path) => {
  if (typeof entry === "string" || typeof entry === "bigint") return String(entry);
  if (!isMap(entry)) return "";
  const target = entry.get("target");
  if (target === undefined) throw composeError(`service ports ${pathText(path)} is missing a target port`);
  const of = (key: string, otherwise: string) => goText(entry.get(key) ?? otherwise);
  return `${of("host_ip", "0.0.0.0")}:${of("published", "")}:${goText(target)}/${of("protocol", "tcp")}`;
};

const rules = new PathRules<Indexer>({
  ...Object.fromEntries(
    (
      "annotations build.args build.additional_contexts build.tags build.labels cap_add cap_drop deploy.labels dns dns_opt " +
      "dns_search environment labels links networks.*.aliases networks.*.link_local_ips profiles sysctls tmpfs"
    )
      .split(" ")
      .map((name) => [`services.*.${name}`, byKey]),
  ),
  "networks.*.labels": byKey,
  "networks.*.ipam.options": byKey,
  "services.*.configs": byMount(""),
  "services.*.secrets": byMount("/run/secrets"),
  "services.*.env_file": byEnvFile,
  "services.*.expose": byExpose,
  "services.*.ports": byPort,
  "services.*.volumes": byTarget("volume", (text) => text.split(":")[1] ?? text),
  "services.*.devices": byTarget("device", (text) => text.split(":")[1] ?? text),
});

/** The document with each key of such a list once. @throws COMPOSE_INVALID for entries that have no key. */
export function withUniqueEntries(document: ComposeMap): ComposeMap {
  return unique(document, []) as ComposeMap;
}

function unique(value: ComposeValue, path: Path): ComposeValue {
  if (isMap(value)) return new Map([...value].map(([key, each]) => [key, unique(each, [...path, key])]));
  if (!Array.isArray(value)) return value;
  const indexer = rules.find(path);
  if (indexer === undefined) return value;
  const byIndex = new Map<string, ComposeValue>();
  for (const [at, entry] of value.entries()) byIndex.set(indexer(entry, [...path, `[${at}]`]), entry);
  return [...byIndex.values()];
}
