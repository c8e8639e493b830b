export { EngineClient } from "./engine-client.ts";
export type { EngineResponse } from "./engine-client.ts";
export { DockerLoader, openDockerLoader } from "./docker-loader.ts";
export { dockerEndpoint } from "./endpoint.ts";
export type { DockerEndpoint } from "./endpoint.ts";
export { openImportLoader } from "./import-loader.ts";
export { FramedStream, openExec } from "./exec-stream.ts";
export {
  containerLog,
  createContainer,
  engineTraits,
  findContainer,
  imageVolumes,
  pullImage,
  removeContainer,
  removeVolume,
  startContainer,
  stopContainer,
} from "./containers.ts";
