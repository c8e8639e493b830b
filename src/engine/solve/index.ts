export { Engine } from "./engine.ts";
export type { EngineOptions, EngineSolveOptions } from "./engine.ts";
