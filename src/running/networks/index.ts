export { createNetwork, listNetworks, liveMembers, pruneNetworks, removeNetwork } from "./create.ts";
export type { NetworkCreateRequest } from "./create.ts";
export { planNetwork } from "./plan.ts";
export { parseExposed, parsePortSpec } from "./port-specs.ts";
export { findRecord } from "./records.ts";
export type { NetworkRecord } from "./records.ts";
export { leaveNetworks, sweepNetworks } from "./sweep.ts";
export type {
  Endpoint,
  EndpointRequest,
  NetworkAsker,
  NetworkHelper,
  NetworkMode,
  NetworkPlan,
  NetworkRequest,
  PortRequest,
  PublishedPort,
} from "./types.ts";
