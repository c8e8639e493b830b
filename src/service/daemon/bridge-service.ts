// The gateway's service for clients that drive their builds themselves: which build a call is about, its metadata says.
// Counterpart: moby/buildkit control/gateway.

import type { gateway } from "../../formats/proto/index.ts";
import type { LlbBridge } from "../../frontends/gateway/index.ts";
import { RpcError, StatusCode } from "../../system/rpc/index.ts";
import type { ServerCall, ServiceImplementation } from "../../system/rpc/index.ts";
import type { Builds } from "./builds.ts";

const BUILD_ID = "buildkit-controlapi-buildid";

export function bridgeService(builds: Builds): ServiceImplementation<typeof gateway.LLBBridge> {
  const bridgeOf = async (call: ServerCall): Promise<LlbBridge> => {
    const id = call.metadata.get(BUILD_ID) ?? "";
    if (id === "") throw new RpcError(StatusCode.INVALID_ARGUMENT, `no ${BUILD_ID} among the call's metadata`);
    return builds.bridge(id, call.signal);
  };
  return {
    ping: async (_request, call) => (await bridgeOf(call)).ping(),
    solve: async (request, call) => (await bridgeOf(call)).solve(request, call.signal),
    resolveImageConfig: async (request, call) => (await bridgeOf(call)).resolveImageConfig(request, call.signal),
    resolveSourceMeta: async (request, call) => (await bridgeOf(call)).resolveSourceMeta(request, call.signal),
    readFile: async (request, call) => (await bridgeOf(call)).readFile(request, call.signal),
    readDir: async (request, call) => (await bridgeOf(call)).readDir(request, call.signal),
    statFile: async (request, call) => (await bridgeOf(call)).statFile(request, call.signal),
    evaluate: async (request, call) => (await bridgeOf(call)).evaluate(request, call.signal),
    inputs: async (_request, call) => (await bridgeOf(call)).inputs(),
    warn: async (request, call) => (await bridgeOf(call)).warn(request),
    return: async (request, call) => (await bridgeOf(call)).return(request),
  };
}
