// Attributes of --cache-to and --cache-from, checked. Names, defaults and messages are BuildKit's; `max-size`, `max-age` and
// `mode=auto` are ours. Counterpart: moby/buildkit cache/remotecache/{local,registry}, client/solve.go parseCacheOptions.

import { BuildError, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { PackOptions } from "../../storage/refs/index.ts";
import { readBool, readCompression } from "../exporters/index.ts";

export type CacheMode = "min" | "max" | "auto";

/** What is the same for every kind of destination. */
export interface ExportSettings {
  readonly mode: CacheMode;
  readonly pack: PackOptions;
  /** `compression` was given: it does not follow the outputs'. */
  readonly compressionChosen: boolean;
  readonly ociTypes: boolean;
  readonly imageManifest: boolean;
  /** Whether a failed export is only warned of. */
  readonly ignoreError: boolean;
  readonly reset: boolean;
  readonly maxSizeBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
  readonly mounts: MountSettings;
  /** Tells what `mode=auto` chose, and why. */
  readonly explain: boolean;
}

/** Which cache mounts go along. */
export interface MountSettings {
  /** Ids, or all of them. */
  readonly ids: "all" | "none" | ReadonlySet<string>;
  /** What contents are kept apart by; for imports, the first that has a mount counts. */
  readonly scopes: readonly string[];
}

/** Reads `mounts` (true, false, or ids between semicolons) and `mounts-scope` (names between semicolons). */
export function readMountSettings(attributes: Attributes, fallback: "all" | "none"): MountSettings {
  const text = attributes["mounts"];
  const parts = (value: string) => value.split(";").filter((each) => each !== "");
  const ids =
    text === undefined || text === ""
      ? fallback
      : /^(?:1|t|T|TRUE|true|True)$/.test(text)
        ? "all"
        : /^(?:0|f|F|FALSE|false|False)$/.test(text)
          ? "none"
          : new Set(parts(text));
  const scopes = parts(attributes["mounts-scope"] ?? "");
  return { ids, scopes: scopes.length === 0 ? ["default"] : scopes };
}

export type Attributes = Readonly<Record<string, string>>;

const exportNames = [
  "mode",
  "compression",
  "compression-level",
  "force-compression",
  "oci-mediatypes",
  "image-manifest",
  "ignore-error",
  "reset",
  "max-size",
  "max-age",
  "explain",
  "mounts",
  "mounts-scope",
];

/** @throws CACHE_ATTRIBUTE_INVALID, EXPORT_ATTRIBUTE_INVALID, EXPORT_UNSUPPORTED. `own` are the kind's further attributes. */
export function readExportSettings(type: string, attributes: Attributes, own: readonly string[]): ExportSettings {
  for (const name of Object.keys(attributes)) {
    if (exportNames.includes(name) || own.includes(name)) continue;
    throw invalid(
      `the ${type} cache exporter has no attribute ${JSON.stringify(name)}`,
      `it has ${[...own, ...exportNames].join(", ")}`,
    );
  }
  const flag = (name: string, fallback: boolean) => {
    const value = attributes[name];
    return value === undefined ? fallback : readBool(name, value);
  };
  const pack = readCompression(attributes);
  if (pack.estargz === true)
    throw invalid("caches are not kept as eStargz", "use compression=zstd or gzip; images have compression=estargz");
  const ociTypes = flag("oci-mediatypes", true);
  const imageManifest = flag("image-manifest", ociTypes);
  if (imageManifest && !ociTypes) {
    throw invalid(
      "invalid configuration for remote cache, OCI mediatypes are required for image-manifest cache format",
      "leave out oci-mediatypes=false, or add image-manifest=false",
    );
  }
  return {
    mode: readMode(attributes["mode"]),
    pack,
    compressionChosen: attributes["compression"] !== undefined,
    ociTypes,
    imageManifest,
    ignoreError: flag("ignore-error", true),
    reset: flag("reset", false),
    maxSizeBytes: attributes["max-size"] === undefined ? undefined : readBytes(attributes["max-size"]),
    maxAgeMs: attributes["max-age"] === undefined ? undefined : readDuration(attributes["max-age"]),
    mounts: readMountSettings(attributes, "none"),
    explain: flag("explain", false),
  };
}

/** A `digest` attribute. @throws CACHE_ATTRIBUTE_INVALID. */
export function readDigestAttribute(attributes: Attributes): Digest | undefined {
  const text = attributes["digest"];
  if (text === undefined || text === "") return undefined;
  if (!isDigest(text)) throw invalid(`invalid digest ${JSON.stringify(text)}`, "give sha256: and 64 hex digits");
  return text;
}

/** An attribute that must be there. @throws CACHE_ATTRIBUTE_INVALID in BuildKit's words. */
export function requireAttribute(attributes: Attributes, what: string, name: string): string {
  const value = attributes[name] ?? "";
  if (value === "") throw invalid(`${what} requires ${name}`, `add ${name}=…`);
  return value;
}

export function invalid(message: string, hint: string): BuildError {
  return new BuildError(message, { code: "CACHE_ATTRIBUTE_INVALID", status: "InvalidArgument", hint });
}

function readMode(text: string | undefined): CacheMode {
  if (text === undefined || text === "") return "min";
  const mode = text.toLowerCase();
  if (mode === "min" || mode === "max" || mode === "auto") return mode;
  throw invalid(`invalid cache export mode ${JSON.stringify(text)}`, "known modes are min, max and auto");
}

const byteUnits: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

function readBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?$/i.exec(text.trim());
  if (match === null) throw invalid(`invalid max-size ${JSON.stringify(text)}`, "give bytes, as in 500MB or 2GiB");
  return Math.floor(Number(match[1]) * byteUnits[(match[2] ?? "").toLowerCase()]!);
}

const timeUnits: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 7 * 86_400e3 };

function readDuration(text: string): number {
  const trimmed = text.trim();
  if (!/^(?:\d+(?:\.\d+)?[smhdw])+$/.test(trimmed)) {
    throw invalid(`invalid max-age ${JSON.stringify(text)}`, "give a duration, as in 12h, 30d or 2w");
  }
  const parts = trimmed.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * timeUnits[unit!]!, 0);
}
