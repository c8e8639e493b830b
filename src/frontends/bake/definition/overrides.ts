// `--set PATTERN.KEY=VALUE`: reads overrides and puts them over targets. Counterpart: docker/buildx bake/bake.go newOverrides, AddOverrides.

import { BuildError } from "../../../base/index.ts";
import {
  parseAttest,
  parseCaches,
  parseOutput,
  parsePolicy,
  parseSecret,
  parseSsh,
  tryParseBool,
  lastOfEach,
  withoutEqual,
} from "./entries.ts";
import type { OutputEntry } from "./entries.ts";
import { matchesGlob } from "./glob.ts";
import type { Resources, Target } from "./target.ts";

/** What was said of one key of one target. */
interface Override {
  value: string;
  values: string[];
  append: boolean;
}

/** By target name, then by key with its name (`args.X`). */
export type Overrides = ReadonlyMap<string, ReadonlyMap<string, Override>>;

const arrayKeys = new Set([
  "output",
  "cache-to",
  "cache-from",
  "tags",
  "platform",
  "secrets",
  "ssh",
  "attest",
  "entitlements",
  "network",
  "annotations",
  "policy",
]);

function invalid(message: string): BuildError {
  return new BuildError(message, { code: "BAKE_OVERRIDE_INVALID", status: "InvalidArgument" });
}

/** `env` gives the value of `args.NAME` without one. @throws BAKE_OVERRIDE_INVALID. */
export function readOverrides(
  texts: readonly string[],
  targetNames: readonly string[],
  env: (name: string) => string | undefined,
): Overrides {
  const overrides = new Map<string, Map<string, Override>>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const left = at < 0 ? text : text.slice(0, at);
    const value = at < 0 ? undefined : text.slice(at + 1);
    const append = left.endsWith("+");
    const path = append ? left.slice(0, -1) : left;
    const [pattern, key, name] = splitThree(path);
    if (key === undefined) throw invalid(`invalid override key ${path}, expected target.name`);
    if (value === undefined && key !== "args") throw invalid(`invalid override ${text}, expected target.name=value`);
    for (const target of matchTargets(pattern!, targetNames)) {
      const ofTarget = overrides.get(target) ?? new Map<string, Override>();
      overrides.set(target, ofTarget);
      const okey = name === undefined ? key : `${key}.${name}`;
      const override = { ...(ofTarget.get(okey) ?? { value: "", values: [], append: false }) };
      if (arrayKeys.has(key)) {
        if (value !== undefined) {
          override.append = append;
          override.values = [...override.values, value];
        }
      } else {
        if (["resources", "secret", "args", "contexts"].includes(key) && name === undefined) {
          throw invalid(`invalid key ${left}, ${key} requires name`);
        }
        if ((key === "resources" || key === "secret") && append)
          throw invalid(`invalid key ${left}, ${key} does not support append`);
        const given = value ?? env(name!);
        if (given === undefined) continue;
        override.value = given;
      }
      ofTarget.set(okey, override);
    }
  }
  return overrides;
}

function splitThree(path: string): string[] {
  const [first, second, ...rest] = path.split(".");
  return [first!, ...(second === undefined ? [] : [second]), ...(rest.length === 0 ? [] : [rest.join(".")])];
}

function matchTargets(pattern: string, names: readonly string[]): readonly string[] {
  if (names.includes(pattern)) return [pattern];
  const matching = names.filter((name) =>
    matchesGlob(pattern, name, () => `could not match targets with '${pattern}'`),
  );
  if (matching.length === 0) throw invalid(`could not find any target matching '${pattern}'`);
  return matching;
}

/** Puts the overrides of a target over it. @throws BAKE_OVERRIDE_INVALID, BAKE_VALUE_INVALID. */
export function applyOverrides(target: Target, overrides: ReadonlyMap<string, Override> | undefined): void {
  const secrets: [string, string][] = [];
  for (const [path, override] of overrides ?? []) {
    const dot = path.indexOf(".");
    const key = dot < 0 ? path : path.slice(0, dot);
    const name = dot < 0 ? undefined : path.slice(dot + 1);
    if (key === "secret") secrets.push([name!, override.value]);
    else applyOne(target, key, name, override);
  }
  for (const [id, value] of secrets) overrideSecret(target, id, value);
}

function applyOne(target: Target, key: string, name: string | undefined, { value, values, append }: Override): void {
  const list = <T>(had: readonly T[] | undefined, made: readonly T[]): T[] =>
    append ? [...(had ?? []), ...made] : [...made];
  const filled = values.filter((each) => each !== "");
  switch (key) {
    case "context":
      target.context = value;
      delete target.bases;
      return;
    case "dockerfile":
    case "target":
    case "call":
    case "shm-size":
    case "network":
      target[key] = value;
      return;
    case "args":
    case "labels":
    case "extra-hosts": {
      const what = key === "extra-hosts" ? "<hostname>=<ip>" : "<name>=<value>";
      if (name === undefined) throw invalid(`invalid format for ${key}, expecting ${key}.${what}`);
      (target[key] ??= new Map()).set(name, value);
      return;
    }
    case "contexts":
      (target.contexts ??= new Map()).set(name!, value);
      return;
    case "tags":
      target.tags = list(target.tags, values);
      return;
    case "platform":
      target.platforms = list(target.platforms, values);
      return;
    case "no-cache-filter":
    case "ulimits":
      target[key] = list(target[key], values);
      return;
    case "entitlements":
    case "annotations":
      target[key] = [...(target[key] ?? []), ...values];
      return;
    case "policy":
      target.policy = list(target.policy, values.map(parsePolicy));
      return;
    case "cache-from":
    case "cache-to": {
      const caches = filled.flatMap(parseCaches);
      target[key] = append ? withoutEqual([...(target[key] ?? []), ...caches]) : caches;
      return;
    }
    case "secrets":
      target.secret = lastOfEach(list(target.secret, filled.map(parseSecret)), ({ id }) => id);
      return;
    case "ssh":
      target.ssh = lastOfEach(list(target.ssh, filled.map(parseSsh)), ({ id }) => id);
      return;
    case "output":
      target.output = list(
        target.output,
        wrapped("outputs", () => filled.map(parseOutput)),
      );
      if (append) target.output = withoutEqual(target.output);
      return;
    case "attest":
      target.attest = lastOfEach(
        [...(target.attest ?? []), ...wrapped("attest", () => filled.map(parseAttest))],
        ({ type }) => type,
      );
      return;
    case "no-cache":
    case "pull":
      target[key] = bool(key, value);
      return;
    case "push":
      setOutput(target, withPush(target.output, bool(key, value)));
      return;
    case "load":
      if (bool(key, value)) setOutput(target, withLoad(target.output));
      return;
    case "resources":
      target.resources ??= {} as Resources;
      setResource(target.resources, name!, value);
      return;
    default:
      throw invalid(`unknown key: ${key}`);
  }
}

function setOutput(target: Target, outputs: OutputEntry[] | undefined): void {
  if (outputs !== undefined) target.output = outputs;
}

function wrapped<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof BuildError) throw invalid(`invalid value for ${what}: ${error.message}`);
    throw error;
  }
}

function bool(key: string, value: string): boolean {
  const parsed = tryParseBool(value);
  if (parsed === undefined) throw invalid(`invalid value ${value} for boolean key ${key}`);
  return parsed;
}

function setResource(resources: Resources, name: string, value: string): void {
  switch (name) {
    case "memory":
    case "memory-swap":
    case "cpuset-cpus":
    case "cpuset-mems":
      resources[name] = value;
      return;
    case "cpu-shares":
    case "cpu-period":
    case "cpu-quota": {
      const number = /^[+-]?\d+$/.test(value) ? BigInt(value) : undefined;
      if (number === undefined || number >= 2n ** 63n || number < -(2n ** 63n)) {
        throw invalid(`invalid value ${value} for int64 key resources.${name}`);
      }
      resources[name] = number;
      return;
    }
    default:
      throw invalid(`unknown resources key ${name}`);
  }
}

function overrideSecret(target: Target, id: string, value: string): void {
  if (id === "") throw invalid("invalid format for secret, expecting secret.<id>=<value>");
  const at = target.secret?.findIndex((each) => each.id === id) ?? -1;
  if (at < 0) throw invalid(`secret ${JSON.stringify(id)} must be declared before it can be overridden`);
  const next = parseSecret(value);
  if (next.id !== "" && next.id !== id) {
    throw invalid(`secret override id ${JSON.stringify(next.id)} does not match declared secret ${JSON.stringify(id)}`);
  }
  target.secret = target.secret!.map((each, index) => (index === at ? { ...next, id } : each));
}

/** Every image is pushed; where nothing is an output but what goes to docker, an image is. */
function withPush(outputs: readonly OutputEntry[] | undefined, push: boolean): OutputEntry[] | undefined {
  if (!push) {
    // A removed entry's place is taken by the last one, as in bake.
    const kept = outputs === undefined ? undefined : [...outputs];
    for (let at = 0; kept !== undefined && at < kept.length;) {
      const { type, attributes } = kept[at]!;
      if (type === "registry") {
        kept[at] = kept.at(-1)!;
        kept.pop();
        continue;
      }
      if (type === "image") kept[at] = { ...kept[at]!, attributes: { ...attributes, push: "false" } };
      at++;
    }
    return kept;
  }
  const pushed = (outputs ?? []).map((each) =>
    each.type === "image" ? { ...each, attributes: { ...each.attributes, push: "true" } } : each,
  );
  if (pushed.some(({ type }) => type !== "docker")) return pushed;
  return [...pushed, { type: "image", dest: "", attributes: { push: "true" } }];
}

function withLoad(outputs: readonly OutputEntry[] | undefined): OutputEntry[] | undefined {
  for (const { type, dest } of outputs ?? []) {
    if (type === "docker" && dest === "") return [...outputs!];
    if (!["docker", "image", "registry", "oci"].includes(type)) return [...outputs!];
  }
  return [...(outputs ?? []), { type: "docker", dest: "", attributes: {} }];
}
