// The index that sources make: their manifests in order, each once, annotations and platforms as asked. One source alone stays what it
// is where nothing is to change. Counterpart: docker/buildx util/imagetools/create.go combine, filterPlatforms.

import { digestOf } from "../base/index.ts";
import type { Digest } from "../base/index.ts";
import type { RegistryClient } from "../distribution/index.ts";
import {
  formatPlatform,
  goJson,
  descriptorJson,
  isIndexType,
  isManifestType,
  mediaTypes,
  normalizePlatform,
  strictMatcher,
  parseImageConfig,
  parseIndex,
  parseManifest,
  platformOf,
  withDigest,
} from "../formats/oci/index.ts";
import type { Descriptor, Platform, Reference } from "../formats/oci/index.ts";
import type { GivenSource } from "./imagetools-sources.ts";

/** A manifest and the repository that has it. */
export interface PlacedManifest {
  readonly descriptor: Descriptor;
  readonly from: Reference;
}

export interface CombinedImage {
  /** Of the new image. */
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** What has to be in the target before it. */
  readonly parts: readonly PlacedManifest[];
}

export interface CombineOptions {
  readonly annotations: ReadonlyMap<string, string>;
  readonly preferIndex: boolean;
  /** Empty for all. */
  readonly platforms: readonly Platform[];
}

interface Source extends PlacedManifest {
  readonly bytes: Uint8Array;
}

const REFERENCE_TYPE = "vnd.docker.reference.type";
const REFERENCE_DIGEST = "vnd.docker.reference.digest";
const ATTESTATION = "attestation-manifest";
const ARTIFACT = "application/vnd.docker.attestation.manifest.v1+json";

/** Asks the registries and combines. @throws Error in buildx's words; REGISTRY_*, IMAGE_NOT_FOUND, INVALID_IMAGE. */
export async function combineImages(
  given: readonly GivenSource[],
  options: CombineOptions,
  client: RegistryClient,
  signal: AbortSignal,
): Promise<CombinedImage> {
  const sources = await Promise.all(given.map((each) => resolveSource(each, client, signal)));
  const [only] = sources;
  if (sources.length === 1 && only !== undefined && options.annotations.size === 0) {
    if (isIndexType(only.descriptor.mediaType) || !options.preferIndex)
      return filtered(only, sources, options, client, signal);
  }
  const parts = partsOf(sources);
  const mediaType = parts.every(({ descriptor }) => descriptor.mediaType.startsWith("application/vnd.docker."))
    ? mediaTypes.dockerIndex
    : mediaTypes.ociIndex;
  const { descriptors, annotations } = annotated(parts, mediaType, options.annotations);
  const bytes = indexBytes({ mediaType, manifests: descriptors, annotations });
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  return filtered({ descriptor, bytes, from: parts[0]!.from }, parts, options, client, signal);
}

async function resolveSource(
  { ref, given }: GivenSource,
  client: RegistryClient,
  signal: AbortSignal,
): Promise<Source> {
  const { descriptor: found, bytes } = await client.manifest(ref, signal);
  if (given.size !== undefined && given.size !== found.size)
    throw new Error(`invalid size mismatch for ${found.digest}, ${given.size} != ${found.size}`);
  const descriptor: Descriptor = {
    ...found,
    ...(given.mediaType === undefined ? {} : { mediaType: given.mediaType }),
    ...(given.annotations === undefined ? {} : { annotations: given.annotations }),
    ...(given.platform === undefined ? {} : { platform: given.platform }),
  };
  if (descriptor.mediaType === mediaTypes.dockerManifestV1)
    throw new Error("schema1 manifests are not allowed in manifest lists");
  if (!isManifestType(descriptor.mediaType)) return { descriptor, bytes, from: ref };
  const platform = await fullPlatform(descriptor.platform, { ref, bytes }, client, signal);
  return { descriptor: { ...descriptor, platform }, bytes, from: ref };
}

/** The platform, what is missing of it as the image's config has it. */
async function fullPlatform(
  platform: Platform | undefined,
  { ref, bytes }: { readonly ref: Reference; readonly bytes: Uint8Array },
  client: RegistryClient,
  signal: AbortSignal,
): Promise<Platform> {
  if (platform !== undefined && platform.os !== "" && platform.architecture !== "") return platform;
  const { config } = parseManifest(bytes);
  const read = await readBlob(client, ref, config, signal);
  const own = normalizePlatform(platformOf(parseImageConfig(read)));
  return {
    os: platform?.os || own.os,
    architecture: platform?.architecture || own.architecture,
    ...((platform?.variant ?? own.variant) === undefined ? {} : { variant: (platform?.variant ?? own.variant)! }),
  };
}

/** A small blob, checked. @throws BLOB_NOT_FOUND, REGISTRY_*; Error when it is not what its digest says. */
export async function readBlob(
  client: RegistryClient,
  ref: Reference,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (descriptor.size > MOST_BYTES) throw new Error(`blob ${descriptor.digest} is too large to be looked at`);
  const provider = client.blobs(ref);
  const chunks: Uint8Array[] = [];
  for await (const chunk of provider.open(descriptor, provider.sources - 1, signal)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (digestOf(bytes) !== descriptor.digest) throw new Error(`blob ${descriptor.digest} arrived damaged`);
  return bytes;
}

const MOST_BYTES = 64 << 20;

function partsOf(sources: readonly Source[]): PlacedManifest[] {
  const found = new Map<Digest, PlacedManifest>();
  const add = (descriptor: Descriptor, from: Reference) => {
    const old = found.get(descriptor.digest)?.descriptor;
    const merged: Descriptor =
      old === undefined
        ? descriptor
        : {
            ...old,
            mediaType: old.mediaType || descriptor.mediaType,
            ...(descriptor.platform === undefined ? {} : { platform: descriptor.platform }),
            annotations: { ...old.annotations, ...descriptor.annotations },
          };
    found.set(descriptor.digest, { descriptor: merged, from });
  };
  for (const { descriptor, bytes, from } of sources) {
    if (!isIndexType(descriptor.mediaType)) add(descriptor, from);
    else for (const each of parseIndex(bytes).manifests) add(each, from);
  }
  return [...found.values()];
}

/** Only OCI's indexes have annotations: with Docker's type they are left out, as buildx does. */
function annotated(
  parts: readonly PlacedManifest[],
  mediaType: string,
  asked: ReadonlyMap<string, string>,
): { descriptors: Descriptor[]; annotations: Record<string, string> } {
  const annotations: Record<string, string> = {};
  let descriptors = parts.map(({ descriptor }) => descriptor);
  if (mediaType !== mediaTypes.ociIndex) return { descriptors, annotations };
  for (const [attribute, value] of asked) {
    const [, type = "", platform, key] = /^annotation(?:-([a-z-]+))?(?:\[([^\]]*)\])?\.(.*)$/s.exec(attribute)!;
    switch (type) {
      case "index":
        annotations[key!] = value;
        break;
      case "manifest-descriptor":
        descriptors = descriptors.map((each) =>
          platform === undefined || (each.platform !== undefined && formatPlatform(each.platform) === platform)
            ? { ...each, annotations: { ...each.annotations, [key!]: value } }
            : each,
        );
        break;
      case "index-descriptor":
        throw new Error('"index-descriptor" annotations are invalid while creating an image');
      default:
        throw new Error(`${JSON.stringify(type)} annotations are not supported yet`);
    }
  }
  return { descriptors, annotations };
}

async function filtered(
  image: Source,
  parts: readonly PlacedManifest[],
  { platforms }: CombineOptions,
  client: RegistryClient,
  signal: AbortSignal,
): Promise<CombinedImage> {
  const { descriptor, bytes } = image;
  const matches = matcherOf(platforms);
  if (!isIndexType(descriptor.mediaType)) {
    if (descriptor.platform === undefined)
      throw new Error("cannot filter platforms from a manifest without platform information");
    if (!matches(descriptor.platform))
      throw new Error(
        `input platform ${formatPlatform(descriptor.platform)} does not match any of the provided platforms`,
      );
    return { descriptor, bytes, parts: [{ descriptor, from: image.from }] };
  }
  const index = parseIndex(bytes);
  const placeOf = (digest: Digest) => parts.find((each) => each.descriptor.digest === digest)?.from ?? image.from;
  const wanted = index.manifests.filter(({ platform }) => platform === undefined || matches(platform));
  const wantedDigests = new Set(wanted.map(({ digest }) => digest));
  const about = new Map(
    index.manifests.flatMap(({ digest, annotations }) => {
      const subject = annotations?.[REFERENCE_TYPE] === ATTESTATION ? annotations[REFERENCE_DIGEST] : undefined;
      return subject !== undefined && wantedDigests.has(subject as Digest) ? [[digest, subject] as const] : [];
    }),
  );
  const kept: PlacedManifest[] = index.manifests
    .filter(({ digest }) => wantedDigests.has(digest) || about.has(digest))
    .map((each) => ({ descriptor: each, from: placeOf(each.digest) }));
  if (kept.length === 0) throw new Error("none of the manifests match the provided platforms");
  const subjects = new Set(about.values());
  const lone = wanted.filter(({ digest }) => !about.has(digest) && !subjects.has(digest));
  const added = (
    await Promise.all(lone.map((each) => attestationOf(each, placeOf(each.digest), client, signal)))
  ).flat();
  if (kept.length === index.manifests.length && added.length === 0) return { descriptor, bytes, parts: kept };
  const manifests = [...kept, ...added].map((each) => each.descriptor);
  const rewritten = indexBytes({ ...index, manifests, annotations: index.annotations ?? {} });
  return {
    descriptor: {
      mediaType: descriptor.mediaType,
      digest: digestOf(rewritten),
      size: rewritten.byteLength,
      ...(descriptor.annotations === undefined ? {} : { annotations: descriptor.annotations }),
    },
    bytes: rewritten,
    parts: [...kept, ...added],
  };
}

/** The attestation that a registry says a lone manifest has: it becomes part of the index. */
async function attestationOf(
  { digest }: Descriptor,
  from: Reference,
  client: RegistryClient,
  signal: AbortSignal,
): Promise<PlacedManifest[]> {
  const found = (await client.referrers(from, digest, signal)).find(({ artifactType }) => artifactType === ARTIFACT);
  if (found === undefined) return [];
  const { artifactType: _, ...rest } = found;
  const descriptor: Descriptor = {
    ...rest,
    platform: { os: "unknown", architecture: "unknown" },
    annotations: { ...found.annotations, [REFERENCE_TYPE]: ATTESTATION, [REFERENCE_DIGEST]: digest },
  };
  return [{ descriptor, from: withDigest(from, found.digest) }];
}

function matcherOf(platforms: readonly Platform[]): (platform: Platform) => boolean {
  if (platforms.length === 0) return () => true;
  const matchers = platforms.map((each) => strictMatcher(each));
  return (platform) => matchers.some((each) => each.matches(normalizePlatform(platform)));
}

function indexBytes(index: {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}): Uint8Array {
  const annotations = new Map(Object.entries(index.annotations));
  const json = goJson({
    schemaVersion: 2,
    mediaType: index.mediaType,
    manifests: index.manifests.map(descriptorJson),
    annotations: annotations.size === 0 ? undefined : annotations,
  });
  return Buffer.from(indented(json));
}

/** Compact JSON as Go's MarshalIndent lays it out. */
export function indented(json: string): string {
  // JSON.stringify keeps the order of keys, and its layout is Go's; what Go escapes has to be escaped again.
  const text = JSON.stringify(JSON.parse(json), undefined, 2);
  return text.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
