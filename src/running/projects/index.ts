export { AttachedRun } from "./attached.ts";
export type { AttachedEnd, AttachedOptions } from "./attached.ts";
export { configHash } from "./config-hash.ts";
export type { ConvergeOptions } from "./converge.ts";
export { withDependencies, withDependents } from "./dependencies.ts";
export { downProject, knownServices } from "./down.ts";
export { eachLine } from "./follow.ts";
export type { ProjectLine } from "./follow.ts";
export { planImages, pullImages } from "./images.ts";
export { isRunning, label, memberOf, shortName } from "./labels.ts";
export type { Member } from "./labels.ts";
export {
  chosenServices,
  killProject,
  pauseProject,
  removable,
  restartProject,
  startProject,
  stopProject,
} from "./lifecycle.ts";
export { openMachine } from "./machine.ts";
export type { MachineOptions } from "./machine.ts";
export { createOneOff } from "./oneoff.ts";
export type { OneOff } from "./oneoff.ts";
export type {
  NetworkWish,
  OnEvent,
  ProjectEvent,
  ProjectImage,
  ProjectImages,
  ProjectNetwork,
  ProjectNetworks,
  ProjectPorts,
  ProjectVolume,
  ProjectVolumes,
  VolumeWish,
} from "./ports.ts";
export { startServices } from "./start.ts";
export { createProject, removeMembers } from "./up.ts";
export type { Created, UpOptions } from "./up.ts";
export { waitFor } from "./waits.ts";
export { imageOf, restartPolicy, variables } from "./wishes.ts";
export { membersOf, ofService, settle } from "./work.ts";
export type { Work } from "./work.ts";
