// Descriptors: how one blob names another. Read from hostile JSON with every field checked; the JSON spelling of platforms
// ("os.version") stays inside this file. Spec: OCI image-spec v1.1 descriptor.md.

import { BuildError, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { Platform } from "./platform.ts";

/** A blob's type, digest and size in bytes, and what is said about it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** The blob itself, base64, where it is small. */
  readonly data?: string;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

/** Media types of the OCI image-spec and of Docker's schema 2. */
export const mediaTypes = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  ociForeignLayer: "application/vnd.oci.image.layer.nondistributable.v1.tar",
  ociForeignLayerGzip: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  ociForeignLayerZstd: "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
  ociEmpty: "application/vnd.oci.empty.v1+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerManifestV1: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
  dockerForeignLayer: "application/vnd.docker.image.rootfs.foreign.diff.tar",
  dockerForeignLayerGzip: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
} as const;

export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerIndex;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest;
}

/** True for layers whose bytes must not be pushed to other places. */
export function isForeignLayerType(mediaType: string): boolean {
  return mediaType.includes(".nondistributable.") || mediaType.includes(".foreign.");
}

/** A descriptor as plain JSON, fields in the order of Go's structs, annotations sorted: what {@link goJson} takes. */
export function descriptorJson(descriptor: Descriptor): Record<string, unknown> {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor;
  return {
    mediaType,
    digest,
    size,
    urls: urls?.length ? urls : undefined,
    annotations: mapJson(annotations),
    data: data || undefined,
    platform: platform === undefined ? undefined : platformJson(platform),
    artifactType: artifactType || undefined,
  };
}

/** A platform in the JSON spelling of the image-spec, fields in the order of Go's struct. */
export function platformJson(platform: Platform): Record<string, unknown> {
  return {
    architecture: platform.architecture,
    os: platform.os,
    "os.version": platform.osVersion || undefined,
    "os.features": platform.osFeatures?.length ? platform.osFeatures : undefined,
    variant: platform.variant || undefined,
  };
}

/** A string map ready for `goJson`, which sorts it; undefined when empty, as `omitempty` has it. */
export function mapJson(map: Readonly<Record<string, string>> | undefined): Map<string, string> | undefined {
  const entries = Object.entries(map ?? {});
  return entries.length === 0 ? undefined : new Map(entries);
}

/** Checks a descriptor read from JSON. @throws INVALID_IMAGE; `what` names it in the sentence. */
export function readDescriptor(value: unknown, what: string): Descriptor {
  const object = readObject(value, what);
  const { mediaType = "", digest, size, urls, annotations, data, platform, artifactType } = object;
  if (typeof mediaType !== "string") throw invalidImage(`${what} has no media type`);
  if (typeof digest !== "string" || !isDigest(digest)) {
    throw invalidImage(`${what} has an invalid digest ${JSON.stringify(digest)?.slice(0, 200)}`);
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw invalidImage(`${what} has an invalid size`);
  const links = isAbsent(urls) ? [] : readStrings(urls, `urls of ${what}`);
  return {
    mediaType,
    digest,
    size: size as number,
    ...(links.length > 0 ? { urls: links } : {}),
    ...(isAbsent(annotations) ? {} : { annotations: readStringMap(annotations, `annotations of ${what}`) }),
    ...(typeof data === "string" && data !== "" ? { data } : {}),
    ...(isAbsent(platform) ? {} : { platform: readPlatform(platform, `platform of ${what}`) }),
    ...(typeof artifactType === "string" && artifactType !== "" ? { artifactType } : {}),
  };
}

/** Checks a platform in the JSON spelling. @throws INVALID_IMAGE. */
export function readPlatform(value: unknown, what: string): Platform {
  const object = readObject(value, what);
  const text = (field: string): string => {
    const found = object[field];
    if (isAbsent(found)) return "";
    if (typeof found !== "string") throw invalidImage(`${field} of the ${what} is not a text`);
    return found;
  };
  const features = isAbsent(object["os.features"])
    ? []
    : readStrings(object["os.features"], `os.features of the ${what}`);
  return {
    os: text("os"),
    architecture: text("architecture"),
    ...(text("variant") === "" ? {} : { variant: text("variant") }),
    ...(text("os.version") === "" ? {} : { osVersion: text("os.version") }),
    ...(features.length === 0 ? {} : { osFeatures: features }),
  };
}

/** JSON from Go has null where a field is not set. */
export function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

export function readObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalidImage(`${what} is not an object`);
  return value as Record<string, unknown>;
}

export function readStrings(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === "string")) {
    throw invalidImage(`${what} is not a list of texts`);
  }
  return value as string[];
}

export function readStringMap(value: unknown, what: string): Record<string, string> {
  const object = readObject(value, what);
  if (!Object.values(object).every((each) => typeof each === "string"))
    throw invalidImage(`${what} has a value that is no text`);
  return object as Record<string, string>;
}

export function invalidImage(message: string): BuildError {
  return new BuildError(message, { code: "INVALID_IMAGE", status: "InvalidArgument" });
}
