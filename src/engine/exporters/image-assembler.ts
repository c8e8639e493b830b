// Makes an image of layers and configs: the one place that decides its bytes, for every exporter of images. Manifests and indexes
// are laid out as BuildKit lays them out, so that equal builds have equal digests.
// Counterpart: moby/buildkit exporter/containerimage/writer.go Commit, commitDistributionManifest.

import { BuildError, digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import {
  encodeIndex,
  encodeManifest,
  formatAllPlatform,
  mediaTypes,
  normalizePlatform,
} from "../../formats/oci/index.ts";
import type { Descriptor, Platform } from "../../formats/oci/index.ts";
import { annotationsFor, readAnnotation } from "./annotations.ts";
import type { Annotation } from "./annotations.ts";
import type { EpochChoice } from "./attributes.ts";
import type { MadeAttestation } from "./attestation.ts";
import { attestationManifest } from "./attestation-manifest.ts";
import { finishConfig } from "./image-config.ts";
import { manifestLayer } from "./layer-media-types.ts";
import { indentJson } from "./raw-json.ts";
import type { ExportPlatform, ExportSource, LayerBlob } from "./types.ts";

export interface AssembleOptions {
  readonly ociTypes: boolean;
  readonly preferNondistributable: boolean;
  /** Those of the exporter's attributes; a frontend's come on top. */
  readonly annotations: readonly Annotation[];
  readonly epoch: EpochChoice | undefined;
  /** The image's names, and what is said of each platform, in the source's order; absent where nothing is. */
  readonly attested?: {
    readonly names: readonly string[];
    readonly asArtifact: boolean;
    readonly platforms: readonly (readonly MadeAttestation[])[];
  };
}

/** A manifest, config or index, or what a manifest of attestations holds: statements and its config. */
export interface SmallBlob {
  readonly kind: "manifest" | "config" | "index" | "statement" | "attestation manifest";
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

export interface PlatformImage {
  readonly platform: Platform;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

export interface AssembledImage {
  /** What the image is known by: its manifest, or the index of several. */
  readonly root: Descriptor;
  readonly images: readonly PlatformImage[];
  /** Manifests that hold attestations. */
  readonly attestations: readonly Descriptor[];
  readonly isIndex: boolean;
  readonly blobs: readonly SmallBlob[];
  /** SOURCE_DATE_EPOCH in seconds, as far as one holds for the whole image. */
  readonly sourceDateEpoch: bigint | undefined;
}

/**
 * Assembles the image of a source. `layers` are those of each platform, in the source's order.
 *
 * @throws INVALID_IMAGE; EXPORT_ATTRIBUTE_INVALID for annotations that have no place.
 */
export function assembleImage(
  source: ExportSource,
  layers: readonly (readonly LayerBlob[])[],
  options: AssembleOptions,
): AssembledImage {
  const { platforms } = source;
  const multiPlatform = source.multiPlatform || options.attested !== undefined;
  if (!multiPlatform && platforms.length > 1) {
    throw new BuildError("cannot export multiple platforms without multi-platform enabled", {
      code: "EXPORT_MULTI_PLATFORM",
      status: "InvalidArgument",
    });
  }
  const annotations = [...options.annotations, ...metadataAnnotations(source.metadata)];
  checkAnnotations(annotations, { platforms, multiPlatform }, options.ociTypes);
  const blobs = new Map<Digest, SmallBlob>();
  const images = platforms.map((platform, at) =>
    assemblePlatform(platform, layers[at]!, {
      ...options,
      annotations,
      epoch: { seconds: epochOf(source, platform, options.epoch) },
      ofAnnotations: multiPlatform ? normalizePlatform(platform.platform) : undefined,
      add: (blob) => void blobs.set(blob.digest, blob),
    }),
  );
  const sourceDateEpoch = platforms[0] === undefined ? undefined : epochOf(source, platforms[0], options.epoch);
  if (!multiPlatform) {
    const only = images[0]!;
    return {
      root: only.manifest,
      images,
      attestations: [],
      isIndex: false,
      blobs: [...blobs.values()],
      sourceDateEpoch,
    };
  }
  const attestations = attest(images, options, (blob) => void blobs.set(blob.digest, blob));
  const mediaType = options.ociTypes ? mediaTypes.ociIndex : mediaTypes.dockerIndex;
  const bytes = indented(
    encodeIndex({
      mediaType,
      manifests: [...images.map(({ manifest }) => manifest), ...attestations],
      annotations: annotationsFor(annotations, "index"),
    }),
  );
  const root = describe(mediaType, bytes, annotationsFor(annotations, "index-descriptor"));
  blobs.set(root.digest, { kind: "index", digest: root.digest, bytes });
  return { root, images, attestations, isIndex: true, blobs: [...blobs.values()], sourceDateEpoch };
}

function attest(
  images: readonly PlatformImage[],
  { attested, ociTypes }: AssembleOptions,
  add: (blob: SmallBlob) => void,
): Descriptor[] {
  if (attested === undefined) return [];
  if (!ociTypes) {
    throw new BuildError('cannot export attestations with "oci-mediatypes=false"', {
      code: "EXPORT_ATTRIBUTE_INVALID",
      status: "InvalidArgument",
      hint: "leave oci-mediatypes out, or say --provenance=false --sbom=false",
    });
  }
  return images.flatMap(({ manifest, platform }, at) => {
    const statements = attested.platforms[at] ?? [];
    if (statements.length === 0) return [];
    const made = attestationManifest(manifest, statements, { ...attested, platform });
    for (const blob of made.blobs) add(blob);
    return [made.manifest];
  });
}

/** SOURCE_DATE_EPOCH of a platform: the exporter's attribute, else one for all, else its own. */
export function epochOf(
  source: ExportSource,
  platform: ExportPlatform,
  choice: EpochChoice | undefined,
): bigint | undefined {
  return choice === undefined ? (source.sourceDateEpoch ?? platform.sourceDateEpoch) : choice.seconds;
}

interface PlatformOptions extends AssembleOptions {
  /** Whose annotations count besides those of all. */
  readonly ofAnnotations: Platform | undefined;
  readonly add: (blob: SmallBlob) => void;
}

function assemblePlatform(
  source: ExportPlatform,
  layerBlobs: readonly LayerBlob[],
  options: PlatformOptions,
): PlatformImage {
  const { ociTypes, annotations, ofAnnotations } = options;
  const platform = normalizePlatform(source.platform);
  const configBytes = finishConfig({
    config: source.config,
    baseConfig: source.baseConfig,
    platform,
    layers: layerBlobs,
    inlineCache: source.inlineCache?.(layerBlobs),
    sourceDateEpoch: options.epoch?.seconds,
  });
  const config = describe(ociTypes ? mediaTypes.ociConfig : mediaTypes.dockerConfig, configBytes);
  const layers = layerBlobs.map(({ descriptor }) => manifestLayer(descriptor, options));
  const mediaType = ociTypes ? mediaTypes.ociManifest : mediaTypes.dockerManifest;
  const bytes = indented(
    encodeManifest({
      mediaType,
      config,
      layers,
      annotations: annotationsFor(annotations, "manifest", ofAnnotations),
    }),
  );
  const described = describe(mediaType, bytes, annotationsFor(annotations, "manifest-descriptor", ofAnnotations));
  const manifest: Descriptor = { ...described, platform };
  options.add({ kind: "manifest", digest: manifest.digest, bytes });
  options.add({ kind: "config", digest: config.digest, bytes: configBytes });
  return { platform, manifest, config, layers };
}

function metadataAnnotations(metadata: ExportSource["metadata"]): Annotation[] {
  return Object.entries(metadata).flatMap(
    ([key, value]) => readAnnotation(key, Buffer.from(value).toString("utf8")) ?? [],
  );
}

function checkAnnotations(
  annotations: readonly Annotation[],
  source: Pick<ExportSource, "platforms" | "multiPlatform">,
  ociTypes: boolean,
): void {
  const refuse = (message: string): never => {
    throw new BuildError(message, { code: "EXPORT_ATTRIBUTE_INVALID", status: "InvalidArgument" });
  };
  for (const { kind, platform } of annotations) {
    const isThere = source.platforms.some(
      (each) => each.key === platform || formatAllPlatform(normalizePlatform(each.platform)) === platform,
    );
    if (platform !== "" && source.platforms.length > 1 && !isThere) {
      refuse(`invalid annotation: no platform ${platform} found in source`);
    }
    // Manifest annotations alone pass with docker's media types, as in BuildKit.
    if (!ociTypes && kind !== "manifest") refuse('cannot export annotations with "oci-mediatypes=false"');
    if (!source.multiPlatform && (kind === "index" || kind === "index-descriptor")) {
      refuse("index annotations not supported for single platform export");
    }
  }
}

function describe(mediaType: string, bytes: Uint8Array, annotations: Record<string, string> = {}): Descriptor {
  return {
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

function indented(compact: Uint8Array): Uint8Array {
  return Buffer.from(indentJson(Buffer.from(compact).toString("utf8")));
}
