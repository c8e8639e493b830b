export { Engine } from "./engine.ts";
export type { EngineOptions, EngineSolveOptions, MadeProvenance } from "./engine.ts";
export type { RootImage, RootImageOptions } from "./root-image.ts";
