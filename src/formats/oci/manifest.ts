// Manifests, indexes and image configs: read with every field that we use checked, and written as Go would. What a digest is
// taken over are always the bytes received, never what these functions write.
// Spec: OCI image-spec v1.1 manifest.md, image-index.md, config.md. Counterpart: docker's schema 2, read alike.

import { isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import {
  descriptorJson,
  invalidImage,
  isAbsent,
  isIndexType,
  isManifestType,
  mapJson,
  mediaTypes,
  readDescriptor,
  readObject,
  readPlatform,
  readStringMap,
} from "./descriptor.ts";
import type { Descriptor } from "./descriptor.ts";
import { goJson } from "./go-json.ts";
import type { Platform } from "./platform.ts";

export interface Manifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Index {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** How containers of an image start; field names are the image-spec's. */
export interface ContainerConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: unknown;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** An image's config as its JSON has it; fields that we don't know are kept. */
export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly variant?: string;
  readonly config?: ContainerConfig;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly HistoryEntry[];
}

/** Larger manifests and indexes are refused by registries and by us. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Larger image configs are refused. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
const MAX_ENTRIES = 10_000;

/** Reads an image manifest. @throws INVALID_IMAGE. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const object = parseJson(bytes, "image manifest", MAX_MANIFEST_BYTES);
  const mediaType = detectMediaType(object);
  if (!isManifestType(mediaType)) throw invalidImage(`not an image manifest but ${describe(mediaType)}`);
  return {
    mediaType,
    config: readDescriptor(object["config"], "config of the image manifest"),
    layers: readList(object["layers"], "layers of the image manifest").map((each, at) =>
      readDescriptor(each, `layer ${at} of the image manifest`),
    ),
    ...common(object, "image manifest"),
  };
}

/** Reads an index (a manifest list). @throws INVALID_IMAGE. */
export function parseIndex(bytes: Uint8Array): Index {
  const object = parseJson(bytes, "image index", MAX_MANIFEST_BYTES);
  const mediaType = detectMediaType(object);
  if (!isIndexType(mediaType)) throw invalidImage(`not an image index but ${describe(mediaType)}`);
  return {
    mediaType,
    manifests: readList(object["manifests"], "manifests of the image index").map((each, at) =>
      readDescriptor(each, `manifest ${at} of the image index`),
    ),
    ...common(object, "image index"),
  };
}

/** Reads an image's config; only what we act on is checked. @throws INVALID_IMAGE. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const object = parseJson(bytes, "image config", MAX_CONFIG_BYTES);
  readPlatform(object, "image config");
  const rootfs = isAbsent(object["rootfs"]) ? {} : readObject(object["rootfs"], "rootfs of the image config");
  const type = isAbsent(rootfs["type"]) ? "" : rootfs["type"];
  if (typeof type !== "string") throw invalidImage("type of the rootfs of the image config is not a text");
  const diffIds = readList(rootfs["diff_ids"], "diff_ids of the image config").map((each) => {
    if (typeof each === "string" && isDigest(each)) return each;
    throw invalidImage(`the image config has an invalid diff ID ${JSON.stringify(each).slice(0, 200)}`);
  });
  const config = isAbsent(object["config"]) ? undefined : checkContainerConfig(object["config"]);
  const history = isAbsent(object["history"]) ? undefined : readList(object["history"], "history of the image config");
  for (const [at, each] of (history ?? []).entries()) readObject(each, `history entry ${at} of the image config`);
  const { config: _config, history: _history, architecture, os, ...rest } = object;
  return {
    ...rest,
    architecture: isAbsent(architecture) ? "" : architecture,
    os: isAbsent(os) ? "" : os,
    ...(config === undefined ? {} : { config }),
    rootfs: { type, diff_ids: diffIds },
    ...(history === undefined ? {} : { history }),
  } as unknown as ImageConfig;
}

/** The platform that an image's config says. */
export function platformOf(config: ImageConfig): Platform {
  return readPlatform(config, "image config");
}

/** The manifest's JSON, as Go writes it. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const { mediaType, artifactType, config, layers, subject, annotations } = manifest;
  return Buffer.from(
    goJson({
      schemaVersion: 2,
      mediaType,
      artifactType: artifactType || undefined,
      config: descriptorJson(config),
      layers: layers.map(descriptorJson),
      subject: subject === undefined ? undefined : descriptorJson(subject),
      annotations: mapJson(annotations),
    }),
  );
}

/** The index's JSON, as Go writes it. */
export function encodeIndex(index: Index): Uint8Array {
  const { mediaType, artifactType, manifests, subject, annotations } = index;
  return Buffer.from(
    goJson({
      schemaVersion: 2,
      mediaType,
      artifactType: artifactType || undefined,
      manifests: manifests.map(descriptorJson),
      subject: subject === undefined ? undefined : descriptorJson(subject),
      annotations: mapJson(annotations),
    }),
  );
}

/**
 * Whether bytes are a manifest or an index, by their `mediaType` or else by their shape. An object that is both is refused: one
 * reader could take it for the one, another for the other.
 *
 * @throws INVALID_IMAGE.
 */
export function manifestMediaType(bytes: Uint8Array): string {
  return detectMediaType(parseJson(bytes, "image manifest", MAX_MANIFEST_BYTES));
}

function detectMediaType(object: Record<string, unknown>): string {
  const isManifest = !isAbsent(object["config"]) || !isAbsent(object["layers"]);
  if (isManifest && !isAbsent(object["manifests"])) throw invalidImage("invalid ambiguous manifest and manifest list");
  const named = object["mediaType"];
  if (typeof named === "string" && named !== "") {
    if (!isIndexType(named) && !isManifestType(named)) return named;
    if (isIndexType(named) === isManifest) throw invalidImage("mediaType in manifest does not match manifest contents");
    return named;
  }
  if (object["schemaVersion"] === 1) return mediaTypes.dockerManifestV1;
  // Docker's schema 2 requires the field, so an object without it is OCI's; a config of docker's type gives the other away.
  if (!isManifest) return mediaTypes.ociIndex;
  const config = object["config"] as { readonly mediaType?: unknown } | undefined;
  return config?.mediaType === mediaTypes.dockerConfig ? mediaTypes.dockerManifest : mediaTypes.ociManifest;
}

function describe(mediaType: string): string {
  if (isIndexType(mediaType)) return "an index";
  if (isManifestType(mediaType)) return "an image manifest";
  if (mediaType.startsWith("application/vnd.docker.distribution.manifest.v1+")) {
    return "a manifest of Docker's schema 1, which is no longer supported";
  }
  return `something of type ${JSON.stringify(mediaType.slice(0, 200))}`;
}

function common(object: Record<string, unknown>, what: string) {
  const { artifactType, subject, annotations } = object;
  return {
    ...(typeof artifactType === "string" && artifactType !== "" ? { artifactType } : {}),
    ...(isAbsent(subject) ? {} : { subject: readDescriptor(subject, `subject of the ${what}`) }),
    ...(isAbsent(annotations) ? {} : { annotations: readStringMap(annotations, `annotations of the ${what}`) }),
  };
}

function checkContainerConfig(value: unknown): ContainerConfig {
  const config = readObject(value, "config of the image config");
  const checks: Record<string, (field: unknown) => boolean> = {
    User: isString,
    WorkingDir: isString,
    StopSignal: isString,
    Env: isStrings,
    Entrypoint: isStrings,
    Cmd: isStrings,
    OnBuild: isStrings,
    Shell: isStrings,
    Labels: isObject,
    Volumes: isObject,
    ExposedPorts: isObject,
  };
  const kept = Object.entries(config).filter(([, field]) => field !== null);
  for (const [name, field] of kept) {
    if (checks[name]?.(field) === false) throw invalidImage(`${name} of the image config has the wrong type`);
  }
  return Object.fromEntries(kept) as ContainerConfig;
}

function isString(value: unknown): boolean {
  return typeof value === "string";
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every(isString);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && !Array.isArray(value);
}

function readList(value: unknown, what: string): unknown[] {
  if (isAbsent(value)) return [];
  if (!Array.isArray(value)) throw invalidImage(`${what} are not a list`);
  if (value.length > MAX_ENTRIES) throw invalidImage(`${what} are more than ${MAX_ENTRIES}`);
  return value;
}

function parseJson(bytes: Uint8Array, what: string, limit: number): Record<string, unknown> {
  if (bytes.byteLength > limit) throw invalidImage(`the ${what} has ${bytes.byteLength} bytes, more than ${limit}`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalidImage(`the ${what} is not valid JSON`);
  }
  return readObject(value, `the ${what}`);
}
