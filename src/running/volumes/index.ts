export { dropUnborn } from "./folders.ts";
export { parseMountFields, parseTmpfsSpec, parseVolumeSpec } from "./mount-specs.ts";
export type { ParsedMount } from "./mount-specs.ts";
export { checkMountSources, planMounts } from "./plan.ts";
export { createVolume, inspectVolume, listVolumes, pruneVolumes, removeVolume, volumeUsers } from "./records.ts";
export type { VolumeCreateRequest, VolumeRecord } from "./records.ts";
export type { ContainerMount, MountAsker, MountRequest } from "./types.ts";
