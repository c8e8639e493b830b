// A target of a bake definition, and how targets are put together. What is undefined was not said, which differs from empty.
// Counterpart: docker/buildx bake/bake.go Target.

import { lastOfEach, withoutEqual } from "./entries.ts";
import type { AttestEntry, CacheEntry, OutputEntry, PolicyEntry, SecretEntry, SshEntry } from "./entries.ts";

export interface Resources {
  memory?: string;
  "memory-swap"?: string;
  /** Whole numbers of 64 bits. */
  "cpu-shares"?: bigint;
  "cpu-period"?: bigint;
  "cpu-quota"?: bigint;
  "cpuset-cpus"?: string;
  "cpuset-mems"?: string;
}

/** Names are those of the file format. */
export interface Target {
  name: string;
  description?: string;
  inherits?: string[];
  annotations?: string[];
  attest?: AttestEntry[];
  context?: string;
  contexts?: Map<string, string>;
  dockerfile?: string;
  "dockerfile-inline"?: string;
  /** A null value is no argument. */
  args?: Map<string, string | null>;
  labels?: Map<string, string | null>;
  tags?: string[];
  "cache-from"?: CacheEntry[];
  "cache-to"?: CacheEntry[];
  target?: string;
  secret?: SecretEntry[];
  ssh?: SshEntry[];
  platforms?: string[];
  output?: OutputEntry[];
  pull?: boolean;
  "no-cache"?: boolean;
  network?: string;
  "no-cache-filter"?: string[];
  "shm-size"?: string;
  ulimits?: string[];
  resources?: Resources;
  call?: string;
  entitlements?: string[];
  "extra-hosts"?: Map<string, string | null>;
  policy?: PolicyEntry[];
  /** Built only because another target needs it. */
  linked?: boolean;
  /** Where relative paths of the file start, where files say so. */
  bases?: ContextBases;
}

/** Folders that paths of a target are relative to, when paths are relative to their file. */
export interface ContextBases {
  /** Of the file that has the target. */
  readonly default?: string;
  readonly useDefault?: boolean;
  /** Of the file that set `context`. */
  readonly context?: string;
  /** The target whose `context` this one's was taken from. */
  readonly contextRef?: string;
  readonly contexts?: ReadonlyMap<string, string>;
}

export interface Group {
  readonly name: string;
  readonly description?: string;
  readonly targets: readonly string[];
}

const secretKey = ({ id }: SecretEntry) => id;
const sshKey = ({ id }: SshEntry) => id;
const attestKey = ({ type }: AttestEntry) => type;

/** Puts `from` over `into`, which is changed. */
export function mergeTarget(into: Target, from: Target): void {
  mergeBases(into, from);
  for (const key of ["context", "dockerfile", "dockerfile-inline", "target", "call", "network", "shm-size"] as const) {
    if (from[key] !== undefined) into[key] = from[key];
  }
  for (const key of ["pull", "no-cache"] as const) if (from[key] !== undefined) into[key] = from[key];
  for (const key of ["tags", "platforms"] as const) if (from[key] !== undefined) into[key] = from[key];
  if (from.output !== undefined) into.output = from.output;
  if (from["cache-to"] !== undefined) into["cache-to"] = from["cache-to"];
  for (const key of ["args", "labels", "extra-hosts"] as const) {
    for (const [name, value] of from[key] ?? []) if (value !== null) (into[key] ??= new Map()).set(name, value);
  }
  for (const [name, value] of from.contexts ?? []) (into.contexts ??= new Map()).set(name, value);
  for (const key of ["annotations", "no-cache-filter", "ulimits", "entitlements"] as const) {
    if (from[key] !== undefined) into[key] = [...(into[key] ?? []), ...from[key]];
  }
  if (from.policy !== undefined) into.policy = [...(into.policy ?? []), ...from.policy];
  if (from.attest !== undefined) into.attest = lastOfEach([...(into.attest ?? []), ...from.attest], attestKey);
  if (from.secret !== undefined) into.secret = lastOfEach([...(into.secret ?? []), ...from.secret], secretKey);
  if (from.ssh !== undefined) into.ssh = lastOfEach([...(into.ssh ?? []), ...from.ssh], sshKey);
  if (from["cache-from"] !== undefined) {
    into["cache-from"] = withoutEqual([...(into["cache-from"] ?? []), ...from["cache-from"]]);
  }
  if (from.resources !== undefined) into.resources = { ...into.resources, ...from.resources };
  if (from.description !== undefined && from.description !== "") into.description = from.description;
  if (from.inherits !== undefined) into.inherits = [...(into.inherits ?? []), ...from.inherits];
}

function mergeBases(into: Target, from: Target): void {
  const bases: { -readonly [K in keyof ContextBases]: ContextBases[K] } = { ...into.bases };
  if (from.bases?.default !== undefined) {
    bases.default = from.bases.default;
    bases.useDefault = from.bases.useDefault ?? false;
  }
  if (from.context !== undefined) {
    delete bases.context;
    delete bases.contextRef;
    if (from.bases?.context !== undefined) bases.context = from.bases.context;
    if (from.bases?.contextRef !== undefined) bases.contextRef = from.bases.contextRef;
  }
  if (from.contexts !== undefined) {
    const contexts = new Map(bases.contexts);
    for (const name of from.contexts.keys()) {
      const base = from.bases?.contexts?.get(name);
      if (base === undefined) contexts.delete(name);
      else contexts.set(name, base);
    }
    bases.contexts = contexts;
  }
  if (Object.keys(bases).length > 0) into.bases = bases;
}

/** Drops what says nothing: empty texts, what is there twice, empty contexts. */
export function normalizeTarget(target: Target): void {
  for (const key of ["annotations", "tags", "platforms", "no-cache-filter", "ulimits"] as const) {
    if (target[key] !== undefined) target[key] = uniqueTexts(target[key]);
  }
  if (target.attest !== undefined) target.attest = lastOfEach(target.attest, attestKey);
  if (target.secret !== undefined) target.secret = lastOfEach(target.secret, secretKey);
  if (target.ssh !== undefined) target.ssh = lastOfEach(target.ssh, sshKey);
  for (const key of ["cache-from", "cache-to"] as const) {
    if (target[key] !== undefined) target[key] = withoutEqual(target[key]);
  }
  if (target.output !== undefined) target.output = withoutEqual(target.output);
  if (target.network === "host") target.entitlements = [...(target.entitlements ?? []), "network.host"];
  if (target.entitlements !== undefined) target.entitlements = uniqueTexts(target.entitlements);
  for (const [name, value] of target.contexts ?? []) if (value === "") target.contexts!.delete(name);
  if (target.contexts?.size === 0) delete target.contexts;
}

function uniqueTexts(texts: readonly string[]): string[] {
  return [...new Set(texts)].filter((each) => each !== "");
}

/** A copy that can be changed without the original. */
export function copyTarget(target: Target): Target {
  return structuredClone(target);
}
