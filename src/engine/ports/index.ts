export { answersFile, QUICK_MEMORY, contextMemoryDir, contextMemoryFile, isQuickContext } from "./context-memory.ts";
export type { ImageLoader, LoadedImage, LoadSurvey } from "./image-loader.ts";
export type {
  LocalFolderHandle,
  LocalFolderRequest,
  OciStore,
  OutputTarget,
  SessionBlobs,
  SessionCredentials,
  SessionPort,
} from "./session-port.ts";
export { engineWorkerEntry } from "./worker-entry.ts";
