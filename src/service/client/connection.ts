// A connection to a BuildKit: its services, typed. Counterpart: moby/buildkit client/client.go.

import { control, gateway } from "../../formats/proto/index.ts";
import { Metadata, serviceClient } from "../../system/rpc/index.ts";
import type { CallOptions, Channel, ServiceClient } from "../../system/rpc/index.ts";

export type ControlClient = ServiceClient<typeof control.Control>;
export type GatewayClient = ServiceClient<typeof gateway.LLBBridge>;

/** The service that frontends and clients drive a build by; calls find their build by this. */
const BUILD_ID = "buildkit-controlapi-buildid";

export interface BuildkitConnection extends AsyncDisposable {
  readonly channel: Channel;
  readonly control: ControlClient;
  readonly gateway: GatewayClient;
}

/** The services at the other end of a channel, which is closed with the connection. */
export function connectionOver(channel: Channel): BuildkitConnection {
  return {
    channel,
    control: serviceClient(control.Control, channel),
    gateway: serviceClient(gateway.LLBBridge, channel),
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}

/** Call options of a build's gateway. */
export function ofBuild(ref: string, signal: AbortSignal): CallOptions {
  return { metadata: new Metadata({ [BUILD_ID]: ref }), signal };
}
