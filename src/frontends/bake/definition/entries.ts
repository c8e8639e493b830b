// The structured attributes of a target: outputs, caches, attestations, secrets, ssh agents, policies. Each may be written as a text
// of comma-separated fields. Counterpart: docker/buildx util/buildflags.

import { BuildError } from "../../../base/index.ts";
import { csvField, csvFields } from "./csv.ts";

export interface OutputEntry {
  readonly type: string;
  /** Empty for none. */
  readonly dest: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface CacheEntry {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface AttestEntry {
  readonly type: string;
  readonly disabled: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Empty strings stand for what is not given. */
export interface SecretEntry {
  readonly id: string;
  readonly src: string;
  readonly env: string;
}

export interface SshEntry {
  readonly id: string;
  readonly paths: readonly string[];
}

export interface PolicyEntry {
  readonly files: readonly string[];
  readonly reset: boolean;
  readonly disabled: boolean;
  readonly strict?: boolean;
  readonly logLevel?: string;
}

function fail(message: string): BuildError {
  return new BuildError(message, { code: "BAKE_VALUE_INVALID", status: "InvalidArgument" });
}

function fieldPairs(fields: readonly string[]): [string, string][] {
  return fields.map((field) => {
    const at = field.indexOf("=");
    if (at < 0) throw fail(`invalid value ${field}`);
    return [field.slice(0, at), field.slice(at + 1)];
  });
}

/** @throws BAKE_VALUE_INVALID, CSV_INVALID. */
export function parseOutput(text: string): OutputEntry {
  const fields = csvFields(text);
  if (fields.length === 1 && fields[0] === text && !text.startsWith("type=")) {
    return text === "-" ? { type: "tar", dest: "-", attributes: {} } : { type: "local", dest: text, attributes: {} };
  }
  let [type, dest] = ["", ""];
  const attributes: Record<string, string> = {};
  for (const [name, value] of fieldPairs(fields)) {
    const key = name.toLowerCase().trim();
    if (key === "type") type = value;
    else if (key === "dest") dest = value;
    else attributes[key] = value;
  }
  return checkOutput({ type, dest, attributes });
}

/** @throws BAKE_VALUE_INVALID. */
export function checkOutput(entry: OutputEntry): OutputEntry {
  if (entry.type === "") throw fail("type is required for output");
  return entry;
}

/** A bare reference is a registry cache; several may be separated by commas. @throws BAKE_VALUE_INVALID, CSV_INVALID. */
export function parseCaches(text: string): CacheEntry[] {
  if (!text.includes("=")) return csvFields(text).map((ref) => ({ type: "registry", attributes: { ref } }));
  const fields = csvFields(text);
  if (fields.length === 1 && !fields[0]!.includes("=")) return [{ type: "registry", attributes: { ref: fields[0]! } }];
  let type = "";
  const attributes: Record<string, string> = {};
  for (const [name, value] of fieldPairs(fields)) {
    const key = name.toLowerCase();
    if (key === "type") type = value;
    else attributes[key] = value;
  }
  return [checkCache({ type, attributes }, text)];
}

/** @throws BAKE_VALUE_INVALID naming what was `given`. */
export function checkCache(entry: CacheEntry, given: string): CacheEntry {
  if (entry.type === "") throw fail(`type required for ${JSON.stringify(given)}`);
  return entry;
}

/** @throws BAKE_VALUE_INVALID, CSV_INVALID. */
export function parseAttest(text: string): AttestEntry {
  let type = "";
  let disabled = false;
  const attributes: Record<string, string> = {};
  for (const [name, value] of fieldPairs(csvFields(text))) {
    const key = name.toLowerCase().trim();
    if (key === "type") type = value;
    else if (key === "disabled") disabled = parseBool(value, `invalid value ${name}=${value}`);
    else attributes[name] = value;
  }
  if (type === "") throw fail("attestation type not specified");
  return { type, disabled, attributes };
}

/** @throws BAKE_VALUE_INVALID, CSV_INVALID. */
export function parseSecret(text: string): SecretEntry {
  let [id, src, env, type] = ["", "", "", ""];
  for (const field of csvFields(text)) {
    const at = field.indexOf("=");
    const key = (at < 0 ? field : field.slice(0, at)).toLowerCase();
    if (at < 0) throw fail(`invalid field '${field}' must be a key=value pair`);
    const value = field.slice(at + 1);
    if (key === "type") {
      if (value !== "file" && value !== "env") throw fail(`unsupported secret type ${JSON.stringify(value)}`);
      type = value;
    } else if (key === "id") id = value;
    else if (key === "source" || key === "src") src = value;
    else if (key === "env") env = value;
    else throw fail(`unexpected key '${key}' in '${field}'`);
  }
  return type === "env" && env === "" ? { id, src: "", env: src } : { id, src, env };
}

/** `id` or `id=path,path`. */
export function parseSsh(text: string): SshEntry {
  const at = text.indexOf("=");
  return at < 0 ? { id: text, paths: [] } : { id: text.slice(0, at), paths: text.slice(at + 1).split(",") };
}

const logLevels = ["panic", "fatal", "error", "warning", "info", "debug", "trace"];

/** @throws BAKE_VALUE_INVALID, CSV_INVALID. */
export function parsePolicy(text: string): PolicyEntry {
  return policyOf(csvFields(text));
}

/** From fields `key=value`. @throws BAKE_VALUE_INVALID. */
export function policyOf(fields: readonly string[]): PolicyEntry {
  const files: string[] = [];
  let [reset, disabled] = [false, false];
  let strict: boolean | undefined;
  let logLevel: string | undefined;
  for (const [name, value] of fieldPairs(fields)) {
    const bad = `invalid value ${name}=${value}`;
    switch (name.toLowerCase().trim()) {
      case "filename":
        if (value === "") throw fail(bad);
        files.push(value);
        break;
      case "reset":
        reset = parseBool(value, bad);
        break;
      case "disabled":
        disabled = parseBool(value, bad);
        break;
      case "strict":
        strict = parseBool(value, bad);
        break;
      case "log-level": {
        const level = value.toLowerCase() === "warn" ? "warning" : value.toLowerCase();
        if (!logLevels.includes(level)) throw fail(`${bad}: not a valid logrus Level: ${JSON.stringify(value)}`);
        logLevel = level;
        break;
      }
      default:
        throw fail(bad);
    }
  }
  return {
    files,
    reset,
    disabled,
    ...(strict === undefined ? {} : { strict }),
    ...(logLevel === undefined ? {} : { logLevel }),
  };
}

/** Reads a truth value as Go's flags do; undefined for other text. */
export function tryParseBool(text: string): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  return ["0", "f", "F", "FALSE", "false", "False"].includes(text) ? false : undefined;
}

function parseBool(text: string, complaint: string): boolean {
  const value = tryParseBool(text);
  if (value === undefined) {
    throw fail(`${complaint}: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return value;
}

/** What `--sbom` and `--provenance` mean as an attestation. */
export function attestFlag(type: string, value: string): string {
  const bool = tryParseBool(value);
  return bool === undefined ? `type=${type},${value}` : `type=${type},disabled=${!bool}`;
}

/** An entry as the flag that says the same. */
export function entryText(type: string, attributes: Readonly<Record<string, string>>, dest = ""): string {
  const pairs = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  const all = [["type", type], ...(dest === "" ? [] : [["dest", dest]]), ...pairs];
  return all.map(([key, value]) => csvField(`${key}=${value}`)).join(",");
}

/** Equal entries once. Where one has several equals the order changes, as in bake: the last entry takes an equal's place. */
export function withoutEqual<T>(entries: readonly T[]): T[] {
  const kept = [...entries];
  for (let at = kept.length - 2; at >= 0; at--) {
    const other = kept.findIndex((each, index) => index > at && equalEntries(kept[at], each));
    if (other < 0) continue;
    kept[other] = kept.at(-1)!;
    kept.pop();
  }
  return kept;
}

function equalEntries(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    each !== null && typeof each === "object" && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

/** One entry for each key: a later one takes the place of an earlier one. */
export function lastOfEach<T>(entries: readonly T[], keyOf: (entry: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const entry of entries) byKey.set(keyOf(entry), entry);
  return [...byKey.values()];
}
