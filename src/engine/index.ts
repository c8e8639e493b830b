export type { ImageLoader, LoadedImage, LoadSurvey, OutputTarget, SessionPort } from "./ports/index.ts";
export { Engine } from "./solve/index.ts";
export type { EngineOptions, EngineSolveOptions } from "./solve/index.ts";
