export { CacheExport } from "./cache-export.ts";
export type { BuildOutcome } from "./cache-export.ts";
export { Caches } from "./caches.ts";
export type { CacheProgress } from "./caches.ts";
export { localCacheDigest, putLocalCacheIndex } from "./local-cache.ts";
export { LostLayers } from "./lost-layers.ts";
export type { LostLayer } from "./lost-layers.ts";
export { RemoteResults } from "./remote-results.ts";
