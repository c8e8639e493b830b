export type { OutputTarget, SessionPort } from "./session-port.ts";
export { Engine } from "./solve/index.ts";
export type { EngineOptions, EngineSolveOptions } from "./solve/index.ts";
