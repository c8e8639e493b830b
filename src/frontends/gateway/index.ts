export type {
  Frontend,
  FrontendRequest,
  FrontendResult,
  GatewayClient,
  GatewayRef,
  GatewayWarning,
  PlatformResult,
  ResolvedImage,
  ResolveImageOptions,
  SourceMetadata,
} from "./port.ts";
export { LlbBridge } from "./llb-bridge.ts";
export type { BridgeOptions } from "./llb-bridge.ts";
