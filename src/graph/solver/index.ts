export { CacheManager } from "./cache-manager.ts";
export { contentKeyId, MemoryKeyStorage, rootKeyId } from "./key-storage.ts";
export type { CacheKeyStorage, CacheLink, CacheResult } from "./key-storage.ts";
export { Solver } from "./solver.ts";
export type { Job, MadeResult, SolverOptions, TracedVertex } from "./solver.ts";
export type {
  CacheDep,
  CacheMap,
  Edge,
  Op,
  OpContext,
  OpResolver,
  ProgressSink,
  ResultStore,
  StatusUpdate,
  Vertex,
  VertexEvent,
  VertexOptions,
  VertexProgress,
  VertexWarning,
} from "./types.ts";
export type { EdgeResult } from "./vertex-state.ts";
