export { planNetwork } from "./plan.ts";
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
