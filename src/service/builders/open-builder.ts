// Opens a builder by its configuration. Counterpart: docker/buildx builder.

import type { Builder } from "./builder.ts";
import type { BuilderConfig } from "../builder-store/index.ts";
import { connectNode, nodeLocation } from "./drivers.ts";
import { RemoteBuilder } from "./remote-builder.ts";
import { askCapabilities, fromRemote } from "../client/index.ts";
import { embeddedFeatures, remoteFeatures } from "./features.ts";
import type { Feature } from "./features.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How long a node may take to answer. */
const CONNECT_MS = 20_000;

export async function openConfiguredBuilder(config: BuilderConfig, env: Environment): Promise<Builder> {
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

/** What a builder can do; undefined is the one in this process. @throws BUILDER_UNREACHABLE and the like. */
export async function askFeatures(config: BuilderConfig | undefined, env: Environment): Promise<Feature[]> {
  if (config === undefined) return embeddedFeatures([]);
  const [node] = config.nodes;
  if (node === undefined) throw new Error(`builder ${config.name} has no nodes`);
  const signal = AbortSignal.timeout(CONNECT_MS);
  try {
    await using connection = await connectNode(config, node, { env, signal });
    return remoteFeatures(config.driver, await askCapabilities(connection, signal));
  } catch (error) {
    throw fromRemote(error, config.name);
  }
}
