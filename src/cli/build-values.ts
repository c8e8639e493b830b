// Values of `slipway build` flags that have an inner syntax, one function each: text in, data out, docker's messages for what is
// wrong. No files are touched. Counterpart: docker/buildx util/buildflags, build/utils.go.

import { isIP } from "node:net";
import { resolve } from "node:path";
import type { SecretSource, SshSource } from "../service/session/index.ts";
import { parseCsv } from "./csv.ts";
import { goBool, type FlagValues } from "./flags.ts";
import { parseSize } from "./sizes.ts";

/** `KEY=VALUE` pairs; for build args a KEY alone takes the environment's value, or is left out where there is none. */
export function keyValues(
  values: readonly string[],
  env?: Readonly<Record<string, string | undefined>>,
): Map<string, string> {
  const result = new Map<string, string>();
  for (const text of values) {
    const { key, value } = cut(text, "=");
    if (key === "") throw new Error(`invalid key-value pair ${JSON.stringify(text)}: empty key`);
    if (value !== undefined) result.set(key, value);
    else if (!env) result.set(key, "");
    else if (env[key] !== undefined) result.set(key, env[key]);
  }
  return result;
}

/** What `--secret` and `--ssh` name, with paths from the working directory. @throws Error in buildx's words. */
export function sessionSources(flags: FlagValues, cwd: string): { secrets: SecretSource[]; ssh: SshSource[] } {
  const given = (name: string) => flags.list(name).filter((text) => text !== "");
  return {
    secrets: given("secret")
      .map(parseSecret)
      .map((secret) => (secret.file === undefined ? secret : { ...secret, file: resolve(cwd, secret.file) })),
    ssh: given("ssh")
      .map(parseSsh)
      .map(({ id, paths }) => ({ id, paths: paths.map((path) => (path === "" ? path : resolve(cwd, path))) })),
  };
}

/** `id=…,src=…|env=…[,type=file|env][,cache-input=true]`. */
export function parseSecret(text: string): SecretSource {
  let fields: string[];
  try {
    fields = parseCsv(text);
  } catch (error) {
    throw new Error(`failed to parse csv secret: ${(error as Error).message}`, { cause: error });
  }
  let [type, id, file, env] = ["", "", "", ""];
  let isInput = false;
  for (const field of fields) {
    const { key: rawKey, value } = cut(field, "=");
    const key = rawKey.toLowerCase();
    if (value === undefined) throw new Error(`invalid field '${field}' must be a key=value pair`);
    switch (key) {
      case "type":
        if (value !== "file" && value !== "env") throw new Error(`unsupported secret type ${JSON.stringify(value)}`);
        type = value;
        break;
      case "id":
        id = value;
        break;
      case "cache-input": {
        const parsed = goBool(value);
        if (parsed === undefined) throw new Error(`invalid value ${JSON.stringify(value)} for cache-input`);
        isInput = parsed;
        break;
      }
      case "source":
      case "src":
        file = value;
        break;
      case "env":
        env = value;
        break;
      default:
        throw new Error(`unexpected key '${key}' in '${key}=…'`);
    }
  }
  if (type === "env" && env === "") [env, file] = [file, ""];
  return { id, ...(file === "" ? {} : { file }), ...(env === "" ? {} : { env }), ...(isInput ? { isInput } : {}) };
}

/** `default|ID[=SOCKET|KEY[,KEY]]`. */
export function parseSsh(text: string): SshSource {
  const { key, value } = cut(text, "=");
  return { id: key, paths: value === undefined ? [] : value.split(",") };
}

/** The `add-hosts` attribute: `host=ip` entries, an entry an address. */
export function extraHosts(values: readonly string[]): string {
  const hosts: string[] = [];
  for (const text of values) {
    const byEquals = cut(text, "=");
    const { key: host, value } = byEquals.value === undefined ? cut(text, ":") : byEquals;
    if (value === undefined || host === "" || value === "") throw new Error(`invalid host ${text}`);
    if (value === "host-gateway")
      throw new Error(
        `unable to derive the IP value for host-gateway: give the address itself, as in ${host}=172.17.0.1`,
      );
    for (const address of value.split(",")) {
      const ip = /^\[.+\]$/.test(address) ? address.slice(1, -1) : address;
      if (isIP(ip) === 0) throw new Error(`invalid host ${text}`);
      hosts.push(`${host}=${ip}`);
    }
  }
  return hosts.join(",");
}

const resourceAttributes = {
  memory: "memory",
  "memory-swap": "memswap",
  "cpu-shares": "cpushares",
  "cpu-period": "cpuperiod",
  "cpu-quota": "cpuquota",
  "cpuset-cpus": "cpusetcpus",
  "cpuset-mems": "cpusetmems",
} as const;

/** Names that `--resource` knows, which are also hidden flags. */
export const resourceNames = Object.keys(resourceAttributes) as (keyof typeof resourceAttributes)[];

/** Frontend attributes of `--resource KEY=VALUE` entries; zero limits are left out. */
export function resourceLimits(entries: readonly string[]): Map<string, string> {
  const limits = new Map<string, string>();
  for (const entry of entries) {
    const { key: rawKey, value: rawValue } = cut(entry, "=");
    if (rawValue === undefined) throw new Error(`invalid resource ${JSON.stringify(entry)}, expected key=value`);
    const key = rawKey.trim();
    if (!Object.hasOwn(resourceAttributes, key)) throw new Error(`unknown resource ${JSON.stringify(key)}`);
    const name = key as keyof typeof resourceAttributes;
    limits.set(resourceAttributes[name], resourceValue(name, rawValue.trim()));
  }
  return new Map([...limits].filter(([, value]) => value !== "0" && value !== ""));
}

function resourceValue(name: keyof typeof resourceAttributes, value: string): string {
  const bad = (why: string) => new Error(`invalid value ${JSON.stringify(value)} for resource ${name}: ${why}`);
  switch (name) {
    case "memory":
    case "memory-swap":
      if (name === "memory-swap" && value === "-1") return value;
      try {
        return String(parseSize(value));
      } catch (error) {
        throw bad((error as Error).message);
      }
    case "cpu-shares":
    case "cpu-period":
    case "cpu-quota":
      if (!/^[+-]?\d+$/.test(value)) throw bad(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
      return String(Math.max(0, Number(value)));
    case "cpuset-cpus":
    case "cpuset-mems":
      return value;
  }
}

/** What `--allow` grants; `localDelete` is for outputs, the rest goes to the builder. */
export function entitlements(values: readonly string[]): { readonly granted: string[]; readonly localDelete: boolean } {
  const granted: string[] = [];
  let localDelete = false;
  for (const text of values.filter((value) => value !== "")) {
    const { key, value } = cut(text, "=");
    if (key === "buildx.local.delete") {
      if (value !== undefined) throw new Error(`${key} does not accept a value`);
      localDelete = true;
      continue;
    }
    if (!["network.host", "security.insecure", "device"].includes(key)) throw new Error(`unknown entitlement ${text}`);
    granted.push(text);
  }
  return { granted, localDelete };
}

const annotationTypes = ["index", "index-descriptor", "manifest", "manifest-descriptor"];

/** Exporter attributes of `--annotation [TYPE[PLATFORM],…:]KEY=VALUE`. */
export function annotations(values: readonly string[]): Map<string, string> {
  const result = new Map<string, string>();
  for (const text of values.filter((value) => value !== "")) {
    const { key: left, value } = cut(text, "=");
    if (value === undefined)
      throw new Error(`parse annotations: invalid annotation ${JSON.stringify(text)}, expected key=value`);
    const { key: types, value: key } = cut(left, ":");
    if (key === undefined) {
      result.set(`annotation.${types}`, value);
      continue;
    }
    for (const typeText of types.split(",")) {
      const match = /^([a-z-]+)(?:\[([A-Za-z0-9_/-]+)\])?$/.exec(typeText);
      if (!match) {
        throw new Error(
          `parse annotations: invalid annotation type ${JSON.stringify(typeText)}, expected type and optional platform in square brackets`,
        );
      }
      if (!annotationTypes.includes(match[1]!))
        throw new Error(`parse annotations: unknown annotation type ${JSON.stringify(match[1])}`);
      result.set(`annotation-${match[1]}${match[2] === undefined ? "" : `[${match[2]}]`}.${key}`, value);
    }
  }
  return result;
}

/**
 * Frontend attributes of `--attest`, `--provenance` and `--sbom`; of two of one type the first counts. Where provenance is not spoken
 * of, an image that can hold it says the least: so do buildx's builds, unless BUILDX_NO_DEFAULT_ATTESTATIONS is set.
 */
export function attestationAttributes(
  attests: readonly string[],
  shorthands: Readonly<Record<"provenance" | "sbom", string>>,
  env: Readonly<Record<string, string | undefined>>,
): Map<string, string> {
  const entries = [...attests];
  for (const type of ["provenance", "sbom"] as const) {
    const value = shorthands[type];
    if (value === "") continue;
    const enabled = goBool(value);
    entries.push(enabled === undefined ? `type=${type},${value}` : `type=${type},disabled=${!enabled}`);
  }
  const found = new Map<string, string | undefined>();
  for (const { type, disabled, fields } of entries.map(parseAttest)) {
    if (!found.has(type)) found.set(type, disabled ? undefined : [`type=${type}`, ...fields].map(csvField).join(","));
  }
  if (!found.has("provenance") && !isTrue(env, "BUILDX_NO_DEFAULT_ATTESTATIONS"))
    found.set("provenance", "mode=min,inline-only=true");
  return new Map(Array.from(found).flatMap(([type, text]) => (text === undefined ? [] : [[`attest:${type}`, text]])));
}

function parseAttest(entry: string): { type: string; disabled: boolean; fields: readonly string[] } {
  let type = "";
  let disabled = false;
  const attributes = new Map<string, string>();
  for (const field of parseCsv(entry)) {
    const { key, value } = cut(field, "=");
    if (value === undefined) throw new Error(`invalid value ${field}`);
    switch (key.trim().toLowerCase()) {
      case "type":
        type = value;
        break;
      case "disabled":
        disabled = parseDisabled(field, value);
        break;
      default:
        attributes.set(key, value);
    }
  }
  if (type === "") throw new Error("attestation type not specified");
  const sorted = [...attributes].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { type, disabled, fields: sorted.map(([key, value]) => `${key}=${value}`) };
}

function parseDisabled(field: string, value: string): boolean {
  const parsed = goBool(value);
  if (parsed === undefined)
    throw new Error(`invalid value ${field}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
  return parsed;
}

function csvField(text: string): string {
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function isTrue(env: Readonly<Record<string, string | undefined>>, name: string): boolean {
  const text = env[name];
  if (text === undefined) return false;
  const parsed = goBool(text);
  if (parsed === undefined)
    throw new Error(`invalid ${name}: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
  return parsed;
}

/** Text around the first separator; `value` is undefined without one. */
export function cut(text: string, separator: string): { readonly key: string; readonly value: string | undefined } {
  const at = text.indexOf(separator);
  return at < 0
    ? { key: text, value: undefined }
    : { key: text.slice(0, at), value: text.slice(at + separator.length) };
}
