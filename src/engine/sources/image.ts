// An image as a build sees it: the manifest for one platform, its config and layers, found from whatever a reference named. Only
// manifests and configs are read for that. Counterpart: containerd core/images image.go, moby/buildkit util/pull/pull.go.

import { BuildError } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import {
  formatAllPlatform,
  isIndexType,
  isManifestType,
  manifestMediaType,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  mediaTypes,
  onlyMatcher,
  parseImageConfig,
  parseIndex,
  parseManifest,
  platformOf,
} from "../../formats/oci/index.ts";
import type { Descriptor, ImageConfig, Manifest, Platform } from "../../formats/oci/index.ts";

/** An image for one platform. */
export interface ResolvedImage {
  /** The whole reference: domain, path, and tag or digest as asked for. */
  readonly ref: string;
  /** Of the index or manifest that the reference names. */
  readonly digest: Digest;
  readonly manifestDigest: Digest;
  readonly manifest: Manifest;
  readonly configDigest: Digest;
  /** As received. */
  readonly configBytes: Uint8Array;
  readonly config: ImageConfig;
  /** Bottom first. */
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: Digest }[];
  /** Where the layers' blobs are; for `ImageSource.openRemote`, in this process or a later one. */
  readonly remote: string;
}

/** Reads one small blob, checked against its digest and no larger than `limit` bytes. */
export type BlobReader = (
  descriptor: Descriptor,
  kind: "manifest" | "config",
  signal: AbortSignal | undefined,
) => Promise<Uint8Array>;

export interface FindOptions {
  readonly ref: string;
  readonly platform: Platform;
  readonly remote: string;
  readonly read: BlobReader;
}

const MAX_DEPTH = 4;
const MAX_UNNAMED = 16;

const configTypes: ReadonlySet<string> = new Set([
  mediaTypes.ociConfig,
  mediaTypes.dockerConfig,
  "application/octet-stream", // written by docker before 1.10
]);
const layerTypes: ReadonlySet<string> = new Set([
  mediaTypes.ociLayer,
  mediaTypes.ociLayerGzip,
  mediaTypes.ociLayerZstd,
  mediaTypes.ociForeignLayer,
  mediaTypes.ociForeignLayerGzip,
  mediaTypes.ociForeignLayerZstd,
  mediaTypes.dockerLayer,
  mediaTypes.dockerLayerGzip,
  mediaTypes.dockerLayerZstd,
  mediaTypes.dockerForeignLayer,
  mediaTypes.dockerForeignLayerGzip,
]);

interface Found {
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly configBytes: Uint8Array;
  readonly config: ImageConfig;
}

/**
 * The image under `root` that suits the platform best. A root that is a manifest is taken whatever its platform, as BuildKit does.
 *
 * @throws NO_MATCHING_PLATFORM, INVALID_IMAGE, and what `read` throws.
 */
export async function findImage(root: Descriptor, options: FindOptions, signal?: AbortSignal): Promise<ResolvedImage> {
  const available: string[] = [];
  const found = await find(root, options, { depth: 0, available, budget: { unnamed: MAX_UNNAMED } }, signal);
  if (found === undefined) throw noMatch(root.digest, options, available);
  const { manifest, config } = found;
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw invalid(
      options.ref,
      `mismatched image rootfs and manifest layers: ${diffIds.length} diff IDs, ${manifest.layers.length} layers`,
    );
  }
  const layers = manifest.layers.map((descriptor, at) => {
    if (!layerTypes.has(descriptor.mediaType)) {
      throw invalid(
        options.ref,
        `layer ${at} has the unknown type ${JSON.stringify(descriptor.mediaType.slice(0, 200))}`,
      );
    }
    return { descriptor, diffId: diffIds[at]! };
  });
  return {
    ref: options.ref,
    digest: root.digest,
    manifestDigest: found.digest,
    manifest,
    configDigest: manifest.config.digest,
    configBytes: found.configBytes,
    config,
    layers,
    remote: options.remote,
  };
}

/** The first `limit` layers of an image alone. @throws INVALID_IMAGE when it has fewer. */
export function limitLayers(image: ResolvedImage, limit: number): ResolvedImage {
  if (limit > image.layers.length) {
    throw invalid(
      image.ref,
      `layer limit ${limit} is greater than the number of layers in the image ${image.layers.length}`,
    );
  }
  return { ...image, layers: image.layers.slice(0, limit) };
}

interface Search {
  readonly depth: number;
  /** Platforms seen, for the error. */
  readonly available: string[];
  /** How many more manifests may be read only to learn their platform. */
  readonly budget: { unnamed: number };
}

async function find(
  descriptor: Descriptor,
  options: FindOptions,
  search: Search,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  const bytes = await options.read(descriptor, "manifest", signal);
  const mediaType = manifestMediaType(bytes);
  if (!isIndexType(mediaType)) return readManifest(descriptor, bytes, options, search, signal);
  if (search.depth >= MAX_DEPTH) throw invalid(options.ref, `indexes within indexes more than ${MAX_DEPTH} deep`);
  const matcher = onlyMatcher(options.platform);
  const children = parseIndex(bytes).manifests.filter(
    ({ mediaType: type }) => type === "" || isIndexType(type) || isManifestType(type),
  );
  for (const { platform } of children) {
    if (platform !== undefined && platform.os !== "unknown") search.available.push(formatAllPlatform(platform));
  }
  const named = children
    .filter(({ platform }) => platform !== undefined && matcher.matches(platform))
    .sort((a, b) => matcher.compare(a.platform!, b.platform!));
  const unnamed = children.filter(({ platform }) => platform === undefined);
  for (const child of [...named.slice(0, 1), ...unnamed]) {
    if (child.platform === undefined && --search.budget.unnamed < 0) return undefined;
    const found = await find(child, options, { ...search, depth: search.depth + 1 }, signal);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function readManifest(
  descriptor: Descriptor,
  bytes: Uint8Array,
  options: FindOptions,
  search: Search,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  const manifest = parseManifest(bytes);
  const { mediaType } = manifest.config;
  if (!configTypes.has(mediaType)) {
    throw invalid(options.ref, `not a container image: its config has type ${JSON.stringify(mediaType.slice(0, 200))}`);
  }
  const configBytes = await options.read(manifest.config, "config", signal);
  const config = parseImageConfig(configBytes);
  const isTold = search.depth === 0 || descriptor.platform !== undefined;
  if (!isTold) {
    const platform = platformOf(config);
    search.available.push(formatAllPlatform(platform));
    if (!onlyMatcher(options.platform).matches(platform)) return undefined;
  }
  return { digest: descriptor.digest, manifest, configBytes, config };
}

/** Refuses descriptors of manifests and configs that no honest image has. @throws INVALID_IMAGE. */
export function checkSize(descriptor: Descriptor, kind: "manifest" | "config", ref: string): void {
  const limit = kind === "manifest" ? MAX_MANIFEST_BYTES : MAX_CONFIG_BYTES;
  if (descriptor.size > limit) throw invalid(ref, `its ${kind} has ${descriptor.size} bytes, more than ${limit}`);
}

function invalid(ref: string, message: string): BuildError {
  return new BuildError(`${ref}: ${message}`, { code: "INVALID_IMAGE", status: "InvalidArgument" });
}

function noMatch(digest: Digest, { platform }: FindOptions, available: readonly string[]): BuildError {
  const list = [...new Set(available)].slice(0, 30).join(", ");
  return new BuildError(`no match for platform in manifest ${digest}: not found`, {
    code: "NO_MATCHING_PLATFORM",
    status: "NotFound",
    hint: `wanted ${formatAllPlatform(platform)}; the image has ${list === "" ? "none" : list}`,
  });
}
