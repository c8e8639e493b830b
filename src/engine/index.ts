export type {
  ImageLoader,
  LoadedImage,
  LoadSurvey,
  LocalFolderHandle,
  LocalFolderRequest,
  OciStore,
  OutputTarget,
  SessionBlobs,
  SessionCredentials,
  SessionPort,
} from "./ports/index.ts";
export { Engine, pushKeptImage } from "./solve/index.ts";
export type { EngineOptions, EngineSolveOptions, MadeProvenance } from "./solve/index.ts";
export type { RootImage, RootImageOptions } from "./solve/index.ts";
