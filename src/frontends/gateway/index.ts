export type {
  Frontend,
  FrontendResult,
  GatewayClient,
  GatewayRef,
  GatewayWarning,
  PlatformResult,
  ResolvedImage,
  ResolveImageOptions,
  SourceMetadata,
} from "./port.ts";
