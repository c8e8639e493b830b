export {
  alreadyConnected,
  connectNetwork,
  disconnectNetwork,
  endpointsOf,
  networkMembers,
  notConnected,
  renameInNetworks,
} from "./connect.ts";
export type { NetworkMember, RunningContainer } from "./connect.ts";
export { createNetwork, listNetworks, pruneNetworks, removeNetwork } from "./create.ts";
export type { NetworkCreateRequest } from "./create.ts";
export { networkFindings } from "./findings.ts";
export type { NetworkFinding } from "./findings.ts";
export { checkNetworkRequest, planNetwork } from "./plan.ts";
export { parseExposed, parsePortSpec } from "./port-specs.ts";
export { DEFAULT_NETWORK, findRecord } from "./records.ts";
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
