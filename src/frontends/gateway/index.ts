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
