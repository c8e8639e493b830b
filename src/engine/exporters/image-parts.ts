// What every exporter of images does first and last: pack the layers, assemble, and answer with BuildKit's keys.

import { descriptorJson, goJson } from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { PackOptions } from "../../storage/refs/index.ts";
import type { ImageOptions } from "./attributes.ts";
import { makeAttestations } from "./attestation.ts";
import { assembleImage, epochOf } from "./image-assembler.ts";
import type { AssembledImage, AssembleOptions } from "./image-assembler.ts";
import { oneStep } from "./types.ts";
import type { ExportContext, ExportPlatform, ExportSource, LayerBlob } from "./types.ts";
import type { BlobSource } from "./write-archive.ts";

interface MadeOptions extends ImageOptions {
  readonly ociTypes: boolean;
  /** Names that attestations are about. */
  readonly subjects: readonly string[];
}

/** An image, and the layers that it is made of, by platform. */
export interface MadeImage {
  readonly image: AssembledImage;
  readonly layers: readonly (readonly LayerBlob[])[];
  /** Brings the blob of one layer of one platform into the content store. */
  readonly bring: (platform: number, layer: number) => Promise<void>;
  /** Brings one layer as an uncompressed tar. */
  readonly tar: (platform: number, layer: number) => Promise<Descriptor>;
}

export interface MakeImageOptions extends ImageOptions {
  /** Names that attestations are about. */
  readonly subjects: readonly string[];
  /** Told of each layer as soon as it is packed. */
  readonly onLayer?: ((layer: LayerBlob) => void) | undefined;
}

/** Packs the layers as `pack` and the options say and makes the image of them. */
export async function makeImage(
  source: ExportSource,
  options: MakeImageOptions,
  pack: PackOptions,
  context: ExportContext,
): Promise<MadeImage> {
  const packs = source.platforms.map((platform) => rewriting(pack, platform, { source, options, context }));
  const layers = await oneStep(context, "exporting layers", () =>
    Promise.all(
      source.platforms.map((platform, at) => platform.layers.blobs(packs[at]!, context.signal, options.onLayer)),
    ),
  );
  const ociTypes = options.ociTypes ?? true;
  const attested = await attestedOf(source, layers, { ...options, ociTypes }, context);
  const image = assembleImage(source, layers, {
    ...options,
    ociTypes,
    ...(attested === undefined ? {} : { attested }),
  });
  for (const { kind, digest } of image.blobs) {
    if (kind === "statement") continue;
    const id = `exporting ${kind === "index" ? "manifest list" : kind} ${digest}`;
    context.progress(id, {});
    context.progress(id, { completed: true });
  }
  const bring = (at: number, layer: number) => source.platforms[at]!.layers.bring(layer, packs[at]!, context.signal);
  const tar = (at: number, layer: number) => source.platforms[at]!.layers.tar(layer, packs[at]!, context.signal);
  return { image, layers, bring, tar };
}

/** What goes into the image of what is said of it. */
async function attestedOf(
  source: ExportSource,
  layers: MadeImage["layers"],
  options: MadeOptions,
  context: ExportContext,
): Promise<AssembleOptions["attested"]> {
  const wanted = source.platforms.map(({ attestations = [] }) =>
    // Nobody asked for those: they must not fail an export.
    options.ociTypes ? attestations : attestations.filter(({ inlineOnly }) => !inlineOnly),
  );
  const isWanted = wanted
    .flat()
    .some(({ inlineOnly }) => !inlineOnly || source.multiPlatform || options.attestationInline === true);
  if (!isWanted) return undefined;
  const platforms = await oneStep(context, "making attestations", () =>
    Promise.all(wanted.map((attestations, at) => makeAttestations(attestations, layers[at]!))),
  );
  return { names: options.subjects, asArtifact: options.ociArtifact ?? true, platforms };
}

/** Counterpart: moby/buildkit exporter/containerimage/writer.go rewriteRemoteWithEpoch. */
function rewriting(
  pack: PackOptions,
  platform: ExportPlatform,
  { source, options, context }: { source: ExportSource; options: ImageOptions; context: ExportContext },
): PackOptions {
  if (!options.rewriteTimestamp) return pack;
  const seconds = epochOf(source, platform, options.epoch);
  if (seconds !== undefined) return { ...pack, rewriteSeconds: seconds };
  context.warn("rewrite-timestamp is specified, but no source-date-epoch was found");
  return pack;
}

/**
 * Every blob of an image, each once, and where its bytes are. The layers must be in the content store; of `made`, those that are fresh
 * are not read once more to be trusted.
 */
export function blobsOf(
  image: AssembledImage,
  context: ExportContext,
  made: readonly (readonly LayerBlob[])[] = [],
): BlobSource[] {
  const fresh = new Set(made.flat().flatMap(({ descriptor, isFresh }) => (isFresh ? [descriptor.digest] : [])));
  const small = image.blobs.map(({ digest, bytes }): BlobSource => ({ digest, sizeBytes: bytes.byteLength, bytes }));
  const layers = image.images
    .flatMap((each) => each.layers)
    .map(({ digest, size }): BlobSource => ({
      digest,
      sizeBytes: size,
      blobPath: context.content.path(digest),
      isFresh: fresh.has(digest),
    }));
  return [...new Map([...layers, ...small].map((blob) => [blob.digest, blob])).values()];
}

/** Sum of an image's blobs, each once. */
export function sizeOf(image: AssembledImage): number {
  const sizes = new Map<string, number>();
  for (const { digest, bytes } of image.blobs) sizes.set(digest, bytes.byteLength);
  for (const { digest, size } of image.images.flatMap((each) => each.layers)) sizes.set(digest, size);
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** What the exporter answers; `root` is the image's descriptor as the exporter has it. */
export function imageResponse(
  image: AssembledImage,
  root: Descriptor,
  names: readonly string[],
): Record<string, string> {
  const only = image.isIndex ? undefined : image.images[0];
  return {
    "containerimage.digest": root.digest,
    ...(only === undefined ? {} : { "containerimage.config.digest": only.config.digest }),
    "containerimage.descriptor": Buffer.from(goJson(descriptorJson(root))).toString("base64"),
    ...(names.length === 0 ? {} : { "image.name": names.join(",") }),
  };
}
