export { docker20, docker20BuildKit } from "./docker.ts";
export { buildah } from "./buildah.ts";
export { buildkitd, docker28, slipwayDaemon } from "./buildx.ts";
export { slipway } from "./slipway.ts";
