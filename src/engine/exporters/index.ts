export type { Attestation, Subject } from "./attestation.ts";
export { readBool, readCompression } from "./attributes.ts";
export { createExporter } from "./create-exporter.ts";
export { pushImage } from "./push.ts";
export type { MadeImage } from "./image-parts.ts";
export { assembleImage } from "./image-assembler.ts";
export type { AssembledImage, AssembleOptions, PlatformImage, SmallBlob } from "./image-assembler.ts";
export { ImageStore, imagesSchema } from "./image-store.ts";
export type { KeptImage } from "./image-store.ts";
export { manifestLayer } from "./layer-media-types.ts";
export { layoutMarker } from "./oci-layout.ts";
export { writeBeside } from "./write-layout.ts";
export type { WriteLayoutInput } from "./write-layout.ts";
export { exporterJobs } from "./jobs.ts";
export type {
  ExportContext,
  Exporter,
  ExportJobs,
  ExportPlatform,
  ExportProgress,
  ExportSource,
  LayerBlob,
  LayerSource,
} from "./types.ts";
export { copyTrees } from "./copy-tree.ts";
