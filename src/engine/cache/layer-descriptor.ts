// Layers as caches list them: with what importers must know of them, what they unpack to and when they were made.

import type { Digest } from "../../base/index.ts";
import { mediaTypes } from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { PackedLayer } from "../../storage/snapshots/index.ts";

/** A layer of the store. */
export function layerDescriptor(blob: { descriptor: Descriptor; diffId: Digest; createdMs: number }): Descriptor {
  const { mediaType, digest, size, annotations } = blob.descriptor;
  return {
    mediaType,
    digest,
    size,
    annotations: {
      "buildkit/createdat": new Date(blob.createdMs).toISOString(),
      ...annotations,
      "containerd.io/uncompressed": blob.diffId,
    },
  };
}

/** What was just packed with zstd. */
export function layerAsBlob({ blobDigest, sizeBytes, diffId }: PackedLayer): Descriptor {
  return {
    mediaType: mediaTypes.ociLayerZstd,
    digest: blobDigest,
    size: sizeBytes,
    annotations: { "containerd.io/uncompressed": diffId },
  };
}
