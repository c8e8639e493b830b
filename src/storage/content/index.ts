export { ContentStore } from "./content-store.ts";
export type { BlobInfo, BlobWriter, WriterOptions } from "./content-store.ts";
