// The gateway's service for clients that drive their builds themselves: which build a call is about, its metadata says.
// Counterpart: moby/buildkit control/gateway.

import type { gateway } from "../../formats/proto/index.ts";
import { bridgeMethods } from "../../frontends/gateway/index.ts";
import { RpcError, StatusCode } from "../../system/rpc/index.ts";
import type { ServerCall, ServiceImplementation } from "../../system/rpc/index.ts";
import type { Builds } from "./builds.ts";

const BUILD_ID = "buildkit-controlapi-buildid";

export function bridgeService(builds: Builds): ServiceImplementation<typeof gateway.LLBBridge> {
  return bridgeMethods((call: ServerCall) => {
    const id = call.metadata.get(BUILD_ID) ?? "";
    if (id !== "") return builds.bridge(id, call.signal);
    throw new RpcError(StatusCode.INVALID_ARGUMENT, `no ${BUILD_ID} among the call's metadata`);
  });
}
