export type { SolveContext } from "./context.ts";
export { fileJobs } from "./file-jobs.ts";
export { loadDefinition } from "./load.ts";
export type { VertexSys } from "./load.ts";
export { OpHost } from "./op-host.ts";
export { opResolver } from "./resolver.ts";
export type { EngineResult } from "./results.ts";
export { SourceMaps } from "./source-map.ts";
export { sessionStore } from "./source-op.ts";
