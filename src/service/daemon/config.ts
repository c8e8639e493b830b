// buildkitd.toml: what of it this daemon has. Keys that it does not have are told, never silently dropped; values that can't be meant are
// refused with the key that has them. Counterpart: moby/buildkit cmd/buildkitd/config, docs/buildkitd.toml.md.

import { parse, TomlError } from "smol-toml";
import { BuildError } from "../../base/index.ts";
import type { RegistriesSettings, RegistrySettings } from "../../distribution/index.ts";
import type { HistoryLimits } from "../history/index.ts";
import { DEFAULT_HISTORY } from "../history/index.ts";
import { durationMs } from "../history/index.ts";

/** A rule of garbage collection as the file has it; bytes, milliseconds; `diskPercent` fractions of the disk are resolved. */
export interface ConfiguredPolicy {
  readonly all: boolean;
  readonly filters: readonly string[];
  readonly keepDurationMs?: number;
  readonly reservedBytes?: number;
  readonly maxUsedBytes?: number;
  readonly minFreeBytes?: number;
}

export interface DaemonConfig {
  readonly root?: string;
  readonly debug: boolean;
  readonly entitlements: readonly string[];
  readonly addresses: readonly string[];
  readonly gid?: number;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly labels: Readonly<Record<string, string>>;
  readonly snapshotter?: "overlay" | "copy";
  readonly parallelism?: number;
  readonly gc: boolean;
  /** Absent: the default rules. */
  readonly policies?: readonly ConfiguredPolicy[];
  readonly registries: RegistriesSettings;
  readonly dns?: {
    readonly nameservers: readonly string[];
    readonly options: readonly string[];
    readonly searchDomains: readonly string[];
  };
  readonly history: HistoryLimits;
  readonly frontends: {
    readonly dockerfile: boolean;
    readonly gateway: boolean;
    readonly allowedRepositories: readonly string[];
  };
  /** What an operator should know of the file. */
  readonly notes: readonly string[];
}

/** @param totalBytes of the disk, for sizes in percent. @throws CONFIG_INVALID naming file, line or key. */
export function parseDaemonConfig(text: string, file: string, totalBytes: number): DaemonConfig {
  const table = new Table(parseToml(text, file), { file, path: "", notes: [] });
  const log = table.table("log");
  const level = log.string("level");
  log.ignored("format");
  const grpc = table.table("grpc");
  const tls = grpc.table("tls");
  grpc.ignored("debugAddress", "uid", "securityDescriptor");
  const worker = table.table("worker");
  const oci = worker.table("oci");
  if (oci.boolean("enabled") === false) throw oci.invalid("enabled", "this daemon's only worker can't be turned off");
  const containerd = worker.table("containerd");
  if (containerd.boolean("enabled") === true)
    throw containerd.invalid("enabled", "this daemon has no containerd worker");
  containerd.ignoreRest();
  const snapshotter = snapshotterOf(oci);
  const parallelism = oci.number("max-parallelism");
  const history = table.table("history");
  const maxAge = history.duration("maxAge");
  const maxEntries = history.number("maxEntries");
  const frontend = table.table("frontend");
  const dockerfile = frontend.table("dockerfile.v0");
  const gateway = frontend.table("gateway.v0");
  const root = table.string("root");
  const gid = grpc.number("gid");
  const policies = policiesOf(oci, totalBytes);
  const dns = table.has("dns") ? table.table("dns") : undefined;
  const [ca, cert, key] = [tls.string("ca"), tls.string("cert"), tls.string("key")];
  const config: DaemonConfig = {
    debug: [table.boolean("debug"), table.boolean("trace")].includes(true) || level === "debug" || level === "trace",
    entitlements: table.strings("insecure-entitlements"),
    addresses: grpc.strings("address"),
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
    labels: oci.texts("labels"),
    gc: oci.boolean("gc") ?? true,
    registries: registriesOf(table.table("registry")),
    history: {
      maxAgeMs: maxAge ?? DEFAULT_HISTORY.maxAgeMs,
      maxEntries: maxEntries ?? DEFAULT_HISTORY.maxEntries,
    },
    frontends: {
      dockerfile: dockerfile.boolean("enabled") ?? true,
      gateway: gateway.boolean("enabled") ?? true,
      allowedRepositories: gateway.strings("allowedRepositories"),
    },
    ...(root === undefined ? {} : { root }),
    ...(gid === undefined ? {} : { gid }),
    ...(snapshotter === undefined ? {} : { snapshotter }),
    ...(parallelism === undefined || parallelism === 0 ? {} : { parallelism }),
    ...(policies === undefined ? {} : { policies }),
    ...(dns === undefined
      ? {}
      : {
          dns: {
            nameservers: dns.strings("nameservers"),
            options: dns.strings("options"),
            searchDomains: dns.strings("searchDomains"),
          },
        }),
    notes: table.context.notes,
  };
  for (const each of [
    log,
    tls,
    grpc,
    oci,
    worker,
    history,
    dockerfile,
    gateway,
    frontend,
    ...(dns ? [dns] : []),
    table,
  ])
    each.noteRest();
  return config;
}

function parseToml(text: string, file: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "");
    throw new BuildError(`${file}:${error.line}:${error.column}: ${reason}`, {
      code: "CONFIG_INVALID",
      status: "InvalidArgument",
      cause: error,
    });
  }
}

function snapshotterOf(oci: Table): "overlay" | "copy" | undefined {
  const name = oci.string("snapshotter");
  switch (name) {
    case undefined:
    case "":
    case "auto":
      return undefined;
    case "overlayfs":
    case "overlay":
      return "overlay";
    case "native":
    case "copy":
      return "copy";
    default:
      throw oci.invalid("snapshotter", `${JSON.stringify(name)} is not known; there are auto, overlayfs and native`);
  }
}

function policiesOf(oci: Table, totalBytes: number): ConfiguredPolicy[] | undefined {
  const limits = (table: Table) => {
    const reserved = table.size("reservedSpace", totalBytes) ?? table.size("keepBytes", totalBytes);
    const maxUsed = table.size("maxUsedSpace", totalBytes);
    const minFree = table.size("minFreeSpace", totalBytes);
    return {
      ...(reserved === undefined ? {} : { reservedBytes: reserved }),
      ...(maxUsed === undefined ? {} : { maxUsedBytes: maxUsed }),
      ...(minFree === undefined ? {} : { minFreeBytes: minFree }),
    };
  };
  const general = limits(oci);
  const keep = oci.size("gckeepstorage", totalBytes);
  const listed = oci.tables("gcpolicy").map((policy): ConfiguredPolicy => {
    const keepDurationMs = policy.duration("keepDuration");
    const read = {
      all: policy.boolean("all") ?? false,
      filters: policy.strings("filters"),
      ...limits(policy),
      ...(keepDurationMs === undefined ? {} : { keepDurationMs }),
    };
    policy.noteRest();
    return read;
  });
  if (listed.length > 0) return listed;
  const all = { ...(keep === undefined ? {} : { reservedBytes: keep }), ...general };
  return Object.keys(all).length === 0
    ? undefined
    : [false, true].map((every) => ({ all: every, filters: [], ...all }));
}

function registriesOf(table: Table): RegistriesSettings {
  const settings: Record<string, RegistrySettings> = {};
  for (const host of table.keys()) {
    const registry = table.table(host);
    const http = registry.boolean("http");
    const insecure = registry.boolean("insecure");
    settings[host] = {
      mirrors: registry.strings("mirrors"),
      ...(http === undefined ? {} : { http }),
      ...(insecure === undefined ? {} : { insecure }),
    };
    registry.noteRest();
  }
  return settings;
}

interface TableContext {
  readonly file: string;
  readonly path: string;
  readonly notes: string[];
}

/** A table whose keys are read by kind; what was not asked for can be told afterwards. */
class Table {
  readonly context: TableContext;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #read = new Set<string>();

  constructor(values: unknown, context: TableContext) {
    this.context = context;
    this.#values = (values ?? {}) as Record<string, unknown>;
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined;
  }

  keys(): string[] {
    return Object.keys(this.#values);
  }

  string(key: string): string | undefined {
    return this.#get(key, "a string", (value) => typeof value === "string") as string | undefined;
  }

  boolean(key: string): boolean | undefined {
    return this.#get(key, "true or false", (value) => typeof value === "boolean") as boolean | undefined;
  }

  number(key: string): number | undefined {
    return this.#get(key, "a number of at least 0", (value) => Number.isSafeInteger(value) && Number(value) >= 0) as
      | number
      | undefined;
  }

  strings(key: string): string[] {
    const isList = (value: unknown) => Array.isArray(value) && value.every((each) => typeof each === "string");
    return (this.#get(key, "a list of strings", isList) as string[] | undefined) ?? [];
  }

  texts(key: string): Record<string, string> {
    const table = this.table(key);
    return Object.fromEntries(table.keys().map((name) => [name, table.string(name) ?? ""]));
  }

  table(key: string): Table {
    const value = this.#get(key, "a table", isTable);
    return new Table(value, { ...this.context, path: this.#pathOf(key) });
  }

  tables(key: string): Table[] {
    const list = this.#get(key, "a list of tables", (value) => Array.isArray(value) && value.every(isTable)) as
      | unknown[]
      | undefined;
    return (list ?? []).map(
      (each, index) => new Table(each, { ...this.context, path: `${this.#pathOf(key)}[${index}]` }),
    );
  }

  /** Milliseconds: seconds as a number, or Go's form. */
  duration(key: string): number | undefined {
    const value = this.#values[key];
    this.#read.add(key);
    if (value === undefined) return undefined;
    if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value) * 1000;
    const parsed =
      typeof value === "string" ? (/^\d+$/.test(value) ? Number(value) * 1000 : durationMs(value)) : undefined;
    if (parsed === undefined) throw this.invalid(key, 'takes seconds, or a duration such as "48h"');
    return parsed;
  }

  /** Bytes: a number, "512MB", or "10%" of the disk. */
  size(key: string, totalBytes: number): number | undefined {
    const value = this.#values[key];
    this.#read.add(key);
    if (value === undefined) return undefined;
    if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value);
    const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*(%|[kmgtp]?i?b?)$/i.exec(value) : null;
    if (match === null) throw this.invalid(key, 'takes bytes, or a size such as "10GB" or "20%"');
    const unit = match[2]!.toLowerCase();
    if (unit === "%") return Math.floor((totalBytes * Number(match[1])) / 100);
    const power = " kmgtp".indexOf(unit.charAt(0)) < 1 ? 0 : " kmgtp".indexOf(unit.charAt(0));
    return Math.floor(Number(match[1]) * (unit.includes("i") ? 1024 : 1000) ** power);
  }

  ignored(...keys: readonly string[]): void {
    for (const key of keys) if (this.has(key)) this.#note(key);
    for (const key of keys) this.#read.add(key);
  }

  ignoreRest(): void {
    for (const key of this.keys()) this.#read.add(key);
  }

  noteRest(): void {
    for (const key of this.keys()) if (!this.#read.has(key)) this.#note(key);
  }

  invalid(key: string, reason: string): BuildError {
    return new BuildError(`${this.context.file}: ${this.#pathOf(key)}: ${reason}`, {
      code: "CONFIG_INVALID",
      status: "InvalidArgument",
    });
  }

  #note(key: string): void {
    this.context.notes.push(`${this.context.file}: ${this.#pathOf(key)} has no effect in this daemon`);
  }

  #get(key: string, kind: string, fits: (value: unknown) => boolean): unknown {
    this.#read.add(key);
    const value = this.#values[key];
    if (value !== undefined && !fits(value)) throw this.invalid(key, `takes ${kind}`);
    return value;
  }

  #pathOf(key: string): string {
    const name = /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
    return this.context.path === "" ? name : `${this.context.path}.${name}`;
  }
}

function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
