export { Engine } from "./engine.ts";
export type { EngineOptions, EngineSolveOptions, MadeProvenance } from "./engine.ts";
export type { RootImage, RootImageOptions } from "./root-image.ts";
export { pushKeptImage } from "./push-kept.ts";
export type { PushKeptOptions } from "./push-kept.ts";
