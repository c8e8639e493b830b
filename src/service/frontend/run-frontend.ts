// Our Dockerfile frontend as the program of a frontend image. Counterpart: moby/buildkit frontend/dockerfile/cmd/dockerfile-frontend.

import type { Duplex } from "node:stream";
import type { pb } from "../../formats/proto/index.ts";
import { dockerfileFrontend } from "../../frontends/dockerfile/index.ts";
import { toResultMessage } from "../../frontends/gateway/index.ts";
import { Channel, wireError } from "../../system/rpc/index.ts";
import { readFrontendEnvironment, RemoteGateway } from "./remote-gateway.ts";

/**
 * Serves one build over the gateway at the other end of `duplex`; resolves with the exit code, with which the
 * process must end at once. @throws FRONTEND_ENVIRONMENT.
 */
export async function runFrontend(
  duplex: Duplex,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<number> {
  const environment = readFrontendEnvironment(env);
  // Never closed: BuildKit takes a frontend whose connection ends before its process for a broken one.
  const channel = Channel.over(duplex);
  const gateway = await RemoteGateway.open(channel, environment);
  try {
    const result = await dockerfileFrontend(gateway, signal);
    const ids = new Map<pb.Definition, string>();
    for (const { definition, attestations = [] } of result.builds) {
      for (const each of [definition, ...attestations.map((one) => one.definition)])
        ids.set(each, await gateway.refOf(each, { evaluate: false, signal }));
    }
    await gateway.return({ result: toResultMessage(result, (definition) => ids.get(definition) ?? "") });
    return 0;
  } catch (error) {
    const { code, message, details } = wireError(error);
    await gateway.return({
      error: { code, message, details: details.map(({ typeUrl, value }) => ({ typeUrl, value })) },
    });
    // The error is the gateway's now: one more in the log would say the same.
    return 0;
  }
}
