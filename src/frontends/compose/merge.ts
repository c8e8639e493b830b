// Puts one document over another by the rules of each attribute. Counterpart: compose-go override/merge.go.

import { composeError } from "./error.ts";
import { PathRules, pathText } from "./pattern.ts";
import type { Path } from "./pattern.ts";
import { cloneValue, goText, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

type Merger = (base: ComposeValue, over: ComposeValue, path: Path) => ComposeValue;

const replace: Merger = (_, over) => over;
const asSequence: Merger = (base, over) => [...sequenceOf(base), ...sequenceOf(over)];

const hosts: Merger = (base, over) => {
  const first = sequenceOf(base);
  return [...first, ...sequenceOf(over).filter((each) => !first.includes(each))];
};

const build: Merger = (base, over, path) => mergeMaps(buildOf(base), buildOf(over), path);

const named =
  (defaults?: ComposeMap): Merger =>
  (base, over, path) =>
    mergeMaps(mappingOf(base, defaults), mappingOf(over, defaults), path);

const logging: Merger = (base, over, path) => {
  if (!isMap(base) || !isMap(over)) throw composeError(`cannot override ${pathText(path)}`);
  const same = base.get("driver") === over.get("driver") || !base.has("driver") || !over.has("driver");
  return same ? mergeMaps(base, over, path) : over;
};

const ipam: Merger = (base, over, path) => {
  if (!Array.isArray(base) || !Array.isArray(over)) throw composeError(`${pathText(path)}: unexpected type`);
  const bySubnet = new Map<ComposeValue | undefined, ComposeMap>();
  for (const each of [...base, ...over]) {
    const config = mappingOf(each);
    const known = bySubnet.get(config.get("subnet"));
    bySubnet.set(config.get("subnet"), known === undefined ? config : mergeMaps(known, config, path));
  }
  return [...bySubnet.values()];
};

const started: ComposeMap = new Map<string, ComposeValue>([
  ["condition", "service_started"],
  ["required", true],
]);

const rules = new PathRules<Merger>({
  "networks.*.ipam.config": ipam,
  "networks.*.labels": asSequence,
  "volumes.*.labels": asSequence,
  "services.*.annotations": asSequence,
  "services.*.build": build,
  "services.*.build.args": asSequence,
  "services.*.build.additional_contexts": asSequence,
  "services.*.build.extra_hosts": hosts,
  "services.*.build.labels": asSequence,
  "services.*.command": replace,
  "services.*.depends_on": named(started),
  "services.*.deploy.labels": asSequence,
  "services.*.dns": asSequence,
  "services.*.dns_opt": asSequence,
  "services.*.dns_search": asSequence,
  "services.*.entrypoint": replace,
  "services.*.env_file": asSequence,
  "services.*.label_file": asSequence,
  "services.*.environment": asSequence,
  "services.*.extra_hosts": hosts,
  "services.*.healthcheck.test": replace,
  "services.*.labels": asSequence,
  "services.*.volumes.*.volume.labels": asSequence,
  "services.*.logging": logging,
  "services.*.models": named(),
  "services.*.networks": named(),
  "services.*.sysctls": asSequence,
  "services.*.tmpfs": asSequence,
  "services.*.ulimits.*": replace,
});

/** `over` put over `base`. Neither is changed, but the result may share parts with both. @throws COMPOSE_INVALID. */
export function mergeDocuments(base: ComposeMap, over: ComposeMap): ComposeMap {
  return mergeMaps(base, over, []);
}

/** The same for two services. */
export function mergeServices(base: ComposeMap, over: ComposeMap): ComposeMap {
  return mergeMaps(base, over, ["services", "x"]);
}

/** The same for a value at a place. */
export function mergeValues(base: ComposeValue, over: ComposeValue, path: Path): ComposeValue {
  const rule = rules.find(path);
  if (rule !== undefined) return rule(base, over, path);
  if (over === null) return base;
  if (isMap(base)) {
    if (!isMap(over)) throw composeError(`cannot override ${pathText(path)}`);
    return mergeMaps(base, over, path);
  }
  if (Array.isArray(base)) {
    if (!Array.isArray(over)) throw composeError(`cannot override ${pathText(path)}`);
    return [...base, ...over];
  }
  return over;
}

function mergeMaps(base: ComposeMap, over: ComposeMap, path: Path): ComposeMap {
  const merged = new Map(base);
  for (const [key, value] of over) {
    const known = base.get(key);
    merged.set(key, known === undefined ? value : mergeValues(known, value, [...path, key]));
  }
  return merged;
}

/** `KEY=VALUE` texts of a mapping; a list as it is. */
function sequenceOf(value: ComposeValue): ComposeValue[] {
  if (Array.isArray(value)) return value;
  if (typeof value === "string") return [value];
  if (!isMap(value)) return [];
  return [...value]
    .flatMap(([key, each]) => {
      if (each === null) return [key];
      return Array.isArray(each) ? each.map((one) => `${key}=${goText(one)}`) : [`${key}=${goText(each)}`];
    })
    .sort((a, b) => (a < b ? -1 : Number(a > b)));
}

function buildOf(value: ComposeValue): ComposeMap {
  if (typeof value === "string") return new Map([["context", value]]);
  return isMap(value) ? value : new Map();
}

function mappingOf(value: ComposeValue, defaults?: ComposeMap): ComposeMap {
  if (isMap(value)) return value;
  if (!Array.isArray(value)) return new Map();
  return new Map(value.map((each) => [goText(each), defaults === undefined ? null : cloneValue(defaults)]));
}
