export { DockerLoader, openDockerLoader } from "./docker-loader.ts";
export { dockerEndpoint } from "./endpoint.ts";
export type { DockerEndpoint } from "./endpoint.ts";
