export { Capture } from "./capture.ts";
export type { ImageMaterial } from "./capture.ts";
export { captureVertexes } from "./capture-vertexes.ts";
export { provenancePredicate, SLSA02_PREDICATE, SLSA1_PREDICATE } from "./predicate.ts";
export type { ProvenanceFacts } from "./predicate.ts";
export { readProvenance } from "./settings.ts";
export type { ProvenanceSettings } from "./settings.ts";
