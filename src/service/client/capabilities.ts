// What a builder says that it can do: its capabilities, asked for through a build that builds nothing, and its workers.
// Counterpart: docker/buildx builder/node.go, moby/buildkit util/apicaps.

import { randomBytes } from "node:crypto";
import type { worker } from "../../formats/proto/index.ts";
import type { BuildkitConnection } from "./connection.ts";
import { ofBuild } from "./connection.ts";

export interface Capabilities {
  readonly frontend: ReadonlySet<string>;
  readonly llb: ReadonlySet<string>;
  readonly workers: readonly worker.WorkerRecord[];
  /** Empty where it says none. */
  readonly version: string;
}

/** @throws RpcError; `signal.reason`. */
export async function askCapabilities(connection: BuildkitConnection, signal: AbortSignal): Promise<Capabilities> {
  const ref = randomBytes(15).toString("hex").slice(0, 25);
  const [info, { record }] = await Promise.all([
    connection.control.info({}, { signal }).catch(() => undefined),
    connection.control.listWorkers({}, { signal }),
  ]);
  const solving = connection.control.solve({ Ref: ref, Internal: true }, { signal });
  solving.catch(() => undefined);
  const options = ofBuild(ref, signal);
  const { FrontendAPICaps, LLBCaps } = await connection.gateway.ping({}, options);
  await connection.gateway.return({ result: {} }, options);
  await solving;
  return {
    frontend: new Set(FrontendAPICaps.filter(({ Enabled }) => Enabled).map(({ ID }) => ID)),
    llb: new Set(LLBCaps.filter(({ Enabled }) => Enabled).map(({ ID }) => ID)),
    workers: record,
    version: info?.buildkitVersion?.version ?? "",
  };
}
