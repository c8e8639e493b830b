export { invalidAttestation, parseAttestations } from "./attestations.ts";
export type { AttestationAttributes, AttestationType } from "./attestations.ts";
export { openScanner } from "./sbom.ts";
export type { Scanner } from "./sbom.ts";
export type {
  AttestationBundle,
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
export { bridgeMethods } from "./bridge-methods.ts";
export { fromResultMessage, toResultMessage } from "./result.ts";
