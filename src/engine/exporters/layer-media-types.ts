// Layers in the media types of one family: OCI's or Docker's, distributable unless asked otherwise.
// Counterpart: moby/buildkit util/compression/compression.go ConvertAllLayerMediaTypes.

import { mediaTypes } from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";

const families: readonly (readonly [oci: string, docker: string])[] = [
  [mediaTypes.ociLayer, mediaTypes.dockerLayer],
  [mediaTypes.ociLayerGzip, mediaTypes.dockerLayerGzip],
  [mediaTypes.ociLayerZstd, mediaTypes.dockerLayerZstd],
  [mediaTypes.ociForeignLayer, mediaTypes.dockerForeignLayer],
  [mediaTypes.ociForeignLayerGzip, mediaTypes.dockerForeignLayerGzip],
];
const toOci = new Map(families.map(([oci, docker]) => [docker, oci]));
const toDocker = new Map(families.map(([oci, docker]) => [oci, docker]));
const toDistributable = new Map<string, string>([
  [mediaTypes.ociForeignLayer, mediaTypes.ociLayer],
  [mediaTypes.ociForeignLayerGzip, mediaTypes.ociLayerGzip],
  [mediaTypes.ociForeignLayerZstd, mediaTypes.ociLayerZstd],
  [mediaTypes.dockerForeignLayer, mediaTypes.dockerLayer],
  [mediaTypes.dockerForeignLayerGzip, mediaTypes.dockerLayerGzip],
]);
const INTERNAL =
  /^(?:containerd\.io\/(?:uncompressed$|distribution\.source\.)|buildkit\/createdat$|dev\.slipway\.cache\.)/;

export interface LayerTypeOptions {
  readonly ociTypes: boolean;
  /** Layers that must not be distributed stay marked so. */
  readonly preferNondistributable: boolean;
}

/** A layer's descriptor as a manifest lists it. Media types that nobody knows stay. */
export function manifestLayer(layer: Descriptor, options: LayerTypeOptions): Descriptor {
  const { mediaType, annotations, urls, digest, size } = layer;
  const distributable = options.preferNondistributable ? undefined : toDistributable.get(mediaType);
  const base = distributable ?? mediaType;
  // Docker's manifests have no annotations.
  const kept = options.ociTypes ? Object.entries(annotations ?? {}).filter(([key]) => !INTERNAL.test(key)) : [];
  return {
    mediaType: (options.ociTypes ? toOci : toDocker).get(base) ?? base,
    digest,
    size,
    ...(urls === undefined || distributable !== undefined ? {} : { urls }),
    ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
  };
}
