export type { ImageLoader, LoadedImage, LoadSurvey } from "./image-loader.ts";
export type { OutputTarget, SessionPort } from "./session-port.ts";
