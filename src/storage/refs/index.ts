export { compressionOf } from "./layer-forms.ts";
export type { Compression, PackOptions, Remote, RemoteOpener } from "./layer-forms.ts";
export type { MutableRef, Ref, RefInfo } from "./ref.ts";
export { RefStore } from "./ref-store.ts";
export type { ImageLayer, RefStoreOptions } from "./ref-store.ts";
export type { LayerId, RefRow, RefType } from "./rows.ts";
export { refsSchema } from "./schema.ts";
export { CacheMounts } from "./cache-mounts.ts";
export type { CacheMount, CacheMountRow, Sharing } from "./cache-mounts.ts";
