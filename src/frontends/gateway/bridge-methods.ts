// The gateway service's methods over bridges: which bridge a call is for, `bridgeOf` says.

import type { gateway } from "../../formats/proto/index.ts";
import type { LlbBridge } from "./llb-bridge.ts";

/** A call, as much of it as matters here. */
interface Call {
  /** Aborted when the peer leaves. */
  readonly signal: AbortSignal;
}

/** Handlers by the methods' local names, as a server of gRPC takes them. */
export function bridgeMethods<C extends Call>(bridgeOf: (call: C) => Promise<LlbBridge>) {
  return {
    ping: async (_request: gateway.PingRequest, call: C) => (await bridgeOf(call)).ping(),
    solve: async (request: gateway.SolveRequest, call: C) => (await bridgeOf(call)).solve(request, call.signal),
    resolveImageConfig: async (request: gateway.ResolveImageConfigRequest, call: C) =>
      (await bridgeOf(call)).resolveImageConfig(request, call.signal),
    resolveSourceMeta: async (request: gateway.ResolveSourceMetaRequest, call: C) =>
      (await bridgeOf(call)).resolveSourceMeta(request, call.signal),
    readFile: async (request: gateway.ReadFileRequest, call: C) =>
      (await bridgeOf(call)).readFile(request, call.signal),
    readDir: async (request: gateway.ReadDirRequest, call: C) => (await bridgeOf(call)).readDir(request, call.signal),
    statFile: async (request: gateway.StatFileRequest, call: C) =>
      (await bridgeOf(call)).statFile(request, call.signal),
    evaluate: async (request: gateway.EvaluateRequest, call: C) =>
      (await bridgeOf(call)).evaluate(request, call.signal),
    inputs: async (_request: gateway.InputsRequest, call: C) => (await bridgeOf(call)).inputs(),
    warn: async (request: gateway.WarnRequest, call: C) => (await bridgeOf(call)).warn(request),
    return: async (request: gateway.ReturnRequest, call: C) => (await bridgeOf(call)).return(request),
  };
}
