export { planMounts } from "./plan.ts";
export type { ContainerMount, MountAsker, MountRequest } from "./types.ts";
