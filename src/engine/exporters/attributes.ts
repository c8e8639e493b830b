// What exporters of images understand of their attributes, each value checked, in BuildKit's words. Attributes that nobody knows
// are refused, for a typing error must not pass in silence.
// Differs: BuildKit hands unknown attributes on to nobody.
// Counterpart: moby/buildkit exporter/containerimage/opts.go, util/compression/attrs.go, exporter/util/epoch.

import { BuildError } from "../../base/index.ts";
import type { PackOptions } from "../../storage/refs/index.ts";
import { readAnnotation } from "./annotations.ts";
import type { Annotation } from "./annotations.ts";

export type Attributes = Readonly<Record<string, string>>;

/** SOURCE_DATE_EPOCH as an attribute sets it: a value, or none whatever the source says. */
export interface EpochChoice {
  readonly seconds: bigint | undefined;
}

export interface ImageOptions {
  /** As given: a list with commas, `*` for the frontend's name, or empty. */
  readonly name: string;
  readonly pack: PackOptions;
  /** Somebody asked for a compression by name. */
  readonly compressionChosen: boolean;
  /** Undefined: the exporter's default. */
  readonly ociTypes: boolean | undefined;
  readonly preferNondistributable: boolean;
  /** Files in new layers get no time later than SOURCE_DATE_EPOCH. */
  readonly rewriteTimestamp: boolean;
  /** Attestations are OCI artifacts. Defaults to true with OCI's media types. */
  readonly ociArtifact: boolean | undefined;
  /** Whether attestations that are wanted only inline make the image an index. Undefined: the exporter's default. */
  readonly attestationInline: boolean | undefined;
  readonly annotations: readonly Annotation[];
  readonly epoch: EpochChoice | undefined;
}

/** Attributes of old versions. */
const inert = new Set(["buildinfo", "buildinfo-attrs", "unsafe-internal-store-allow-incomplete"]);

/** Reads what all image exporters share; `rest` are the attributes it leaves. @throws EXPORT_ATTRIBUTE_INVALID. */
export function readImageOptions(attributes: Attributes): { options: ImageOptions; rest: Map<string, string> } {
  const rest = new Map<string, string>();
  const annotations: Annotation[] = [];
  let name = "";
  let ociTypes: boolean | undefined;
  let preferNondistributable = false;
  let rewriteTimestamp = false;
  let ociArtifact: boolean | undefined;
  let attestationInline: boolean | undefined;
  for (const [key, value] of Object.entries(attributes)) {
    const annotation = readAnnotation(key, value);
    if (annotation !== undefined) annotations.push(annotation);
    else if (key === "name") name = value;
    else if (key === "oci-mediatypes") ociTypes = readBool(key, value);
    else if (key === "prefer-nondist-layers") preferNondistributable = readBool(key, value);
    else if (key === "rewrite-timestamp") rewriteTimestamp = readBool(key, value);
    else if (key === "oci-artifact") ociArtifact = readBool(key, value);
    else if (key === "attestation-inline") attestationInline = readBool(key, value);
    else if (inert.has(key)) continue;
    else if (!sharedKeys.has(key)) rest.set(key, value);
  }
  if (ociArtifact === true && ociTypes === false)
    throw invalidAttribute(
      'exporter option "oci-artifact=true" conflicts with "oci-mediatypes=false"',
      "leave one of them out",
    );
  const pack = readCompression(attributes);
  if (pack.estargz === true && ociTypes === false)
    throw invalidAttribute(
      'exporter option "compression=estargz" conflicts with "oci-mediatypes=false"',
      "leave one of them out",
    );
  return {
    options: {
      name,
      pack,
      compressionChosen: attributes["compression"] !== undefined || pack.force === true,
      ociTypes,
      preferNondistributable,
      rewriteTimestamp,
      ociArtifact,
      attestationInline,
      annotations,
      epoch: readEpoch(attributes),
    },
    rest,
  };
}

const sharedKeys = new Set(["compression", "compression-level", "force-compression", "source-date-epoch"]);
const levels = { none: [0, 0], gzip: [0, 9], zstd: [0, 22] } as const;

/** `compression`, its level, and whether to recompress. @throws EXPORT_ATTRIBUTE_INVALID, EXPORT_UNSUPPORTED. */
export function readCompression(attributes: Attributes): PackOptions {
  const named = attributes["compression"] ?? "gzip";
  const compression = ({ uncompressed: "none", gzip: "gzip", estargz: "gzip", zstd: "zstd" } as const)[named];
  if (compression === undefined) {
    throw invalidAttribute(
      `unsupported compression type ${named}`,
      "known types are uncompressed, gzip, estargz and zstd",
    );
  }
  const { ["force-compression"]: force, ["compression-level"]: level } = attributes;
  return {
    compression,
    ...(named === "estargz" ? { estargz: true } : {}),
    ...(level === undefined ? {} : { level: readLevel(level, compression) }),
    ...(force === undefined ? {} : { force: force === "" || readBool("force-compression", force) }),
  };
}

function readLevel(text: string, compression: keyof typeof levels): number {
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw invalidAttribute(`non-integer value ${text} specified for compression-level`, "give a number");
  }
  const level = Number(text);
  const [least, most] = levels[compression];
  if (compression !== "none" && (level < least || level > most)) {
    throw invalidAttribute(
      `compression-level ${text} is out of range`,
      `${compression} has levels ${least} to ${most}`,
    );
  }
  return level;
}

/** @throws EXPORT_ATTRIBUTE_INVALID. */
export function readEpoch(attributes: Attributes): EpochChoice | undefined {
  const text = attributes["source-date-epoch"];
  if (text === undefined) return undefined;
  if (text === "") return { seconds: undefined };
  // Later than year 9999, which RFC 3339 can't write.
  const seconds = /^[+-]?\d{1,12}$/.test(text) ? BigInt(text.replace(/^\+/, "")) : undefined;
  if (seconds === undefined || seconds > 253_402_300_799n || seconds < -62_135_596_800n) {
    throw invalidAttribute(`invalid source-date-epoch: ${text}`, "give seconds since 1970");
  }
  return { seconds };
}

/** A boolean as Go's strconv.ParseBool reads it. @throws EXPORT_ATTRIBUTE_INVALID. */
export function readBool(key: string, value: string): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw invalidAttribute(`non-bool value specified for ${key}: ${JSON.stringify(value)}`, "give true or false");
}

/** As {@link readBool}; the key alone means yes. */
export function readFlag(key: string, value: string): boolean {
  return value === "" || readBool(key, value);
}

/** @throws EXPORT_ATTRIBUTE_INVALID for what is left over; `containerimage.*` and `image.name` override the frontend's metadata. */
export function refuseUnknown(type: string, rest: Iterable<string>, known: readonly string[]): void {
  for (const key of rest) {
    if (key.startsWith("containerimage.") || key === "image.name") continue;
    throw invalidAttribute(
      `the ${type} exporter has no attribute ${JSON.stringify(key)}`,
      `it has ${known.join(", ")}`,
    );
  }
}

export function invalidAttribute(message: string, hint: string): BuildError {
  return new BuildError(message, { code: "EXPORT_ATTRIBUTE_INVALID", status: "InvalidArgument", hint });
}

export function unsupported(what: string, hint: string): BuildError {
  return new BuildError(`exporter option ${JSON.stringify(what)} is not supported by this version of slipway`, {
    code: "EXPORT_UNSUPPORTED",
    status: "Unimplemented",
    hint,
  });
}

/** Names of all attributes that image exporters share, for messages. */
export const imageAttributes = [
  "name",
  "compression",
  "compression-level",
  "force-compression",
  "oci-mediatypes",
  "oci-artifact",
  "attestation-inline",
  "prefer-nondist-layers",
  "rewrite-timestamp",
  "source-date-epoch",
  "annotation.<key>",
] as const;
