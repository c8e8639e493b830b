// Opens a builder by its configuration. Counterpart: docker/buildx builder.

import type { Builder } from "./builder.ts";
import type { BuilderConfig, NodeConfig } from "../builder-store/index.ts";
import { bootNode, connectNode, nodeLocation } from "./drivers.ts";
import { FleetBuilder } from "./fleet-builder.ts";
import type { FleetNode } from "./fleet-builder.ts";
import { RemoteBuilder } from "./remote-builder.ts";
import { askCapabilities, fromRemote } from "../client/index.ts";
import { runnablePlatforms } from "../../engine/executor/index.ts";
import { formatAllPlatform, normalizePlatform, parsePlatform } from "../../formats/oci/index.ts";
import { embeddedFeatures, remoteFeatures, workerPlatforms } from "./features.ts";
import type { Feature } from "./features.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How long a node may take to answer. */
const CONNECT_MS = 20_000;

/** Connects to all of its nodes; those that a driver starts are started first. @throws BUILDER_UNREACHABLE and the like, for any of them. */
export async function openConfiguredBuilder(config: BuilderConfig, env: Environment): Promise<Builder> {
  const opening = config.nodes.map((node) => openNode(config, node, env));
  const [first, ...others] = await Promise.all(opening).catch(async (error: unknown) => {
    for (const each of await Promise.allSettled(opening)) {
      if (each.status === "fulfilled") await each.value.builder[Symbol.asyncDispose]();
    }
    throw fromRemote(error, config.name);
  });
  if (first === undefined) throw new Error(`builder ${config.name} has no nodes`);
  return others.length === 0 ? first.builder : new FleetBuilder(config.name, [first, ...others]);
}

async function openNode(config: BuilderConfig, node: NodeConfig, env: Environment): Promise<FleetNode> {
  await bootNode(config, node, { env, say: (line) => void process.stderr.write(`${line}\n`) });
  const signal = AbortSignal.timeout(CONNECT_MS);
  const connection = await connectNode(config, node, { env, signal });
  const builder = new RemoteBuilder({
    name: config.name,
    location: await nodeLocation(config.driver, node, env),
    connection,
    isEngine: config.driver === "docker",
  });
  if (config.nodes.length === 1) return { builder, platforms: [] };
  const { record } = await connection.control.listWorkers({}, { signal });
  return { builder, platforms: [...new Set([...node.platforms.map(plainPlatform), ...workerPlatforms(record)])] };
}

function plainPlatform(text: string): string {
  return formatAllPlatform(normalizePlatform(parsePlatform(text)));
}

/** What a builder can do; undefined is the one in this process. @throws BUILDER_UNREACHABLE and the like. */
export async function askFeatures(config: BuilderConfig | undefined, env: Environment): Promise<Feature[]> {
  if (config === undefined) return embeddedFeatures(runnablePlatforms().map((each) => formatAllPlatform(each)));
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
