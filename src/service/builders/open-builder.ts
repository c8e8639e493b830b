// Opens a builder by its configuration. Counterpart: docker/buildx builder.

import type { Builder } from "./builder.ts";
import type { BuilderConfig } from "../builder-store/index.ts";
import { connectNode, nodeLocation } from "./drivers.ts";
import { RemoteBuilder } from "./remote-builder.ts";
import { fromRemote } from "../client/index.ts";

/** How long a node may take to answer. */
const CONNECT_MS = 20_000;

export async function openConfiguredBuilder(
  config: BuilderConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Builder> {
  const [node] = config.nodes;
  if (node === undefined) throw new Error(`builder ${config.name} has no nodes`);
  try {
    return new RemoteBuilder({
      name: config.name,
      location: await nodeLocation(config.driver, node, env),
      connection: await connectNode(config, node, { env, signal: AbortSignal.timeout(CONNECT_MS) }),
      isEngine: config.driver === "docker",
    });
  } catch (error) {
    throw fromRemote(error, config.name);
  }
}
