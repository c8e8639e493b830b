// What a builder's nodes say of themselves.

import { BuildError, messageOf } from "../base/index.ts";
import { formatAllPlatform, normalizePlatform } from "../formats/oci/index.ts";
import type { BuilderConfig, NodeConfig } from "../service/builder-store/index.ts";
import type { Shell } from "./command.ts";

export interface NodeStatus {
  readonly node: NodeConfig;
  readonly location: string;
  readonly state: "running" | "stopped" | "inactive";
  /** Why it is not running. */
  readonly error: string | undefined;
  readonly version: string;
  readonly platforms: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly gcPolicies: readonly GcPolicy[];
}

export interface GcPolicy {
  readonly all: boolean;
  readonly filters: readonly string[];
  readonly keepDurationMs: number;
  readonly reservedBytes: number;
  readonly maxUsedBytes: number;
  readonly minFreeBytes: number;
}

const ANSWER_MS = 20_000;

/** Asks every node at once; those that don't answer are told as inactive. */
export function nodeStatuses(config: BuilderConfig, shell: Shell, timeoutMs = ANSWER_MS): Promise<NodeStatus[]> {
  return Promise.all(config.nodes.map((node) => nodeStatus(config, node, shell, timeoutMs)));
}

/** Starts what its driver starts, then asks every node. @throws BUILDER_UNREACHABLE and the like. */
export async function bootstrapBuilder(config: BuilderConfig, shell: Shell): Promise<NodeStatus[]> {
  const { bootNode } = await import("../service/builders/index.ts");
  const say = (line: string) => void shell.stderr.write(`${line}\n`);
  await Promise.all(config.nodes.map((node) => bootNode(config, node, { env: shell.env, say })));
  const statuses = await nodeStatuses(config, shell);
  const down = statuses.find(({ state }) => state !== "running");
  if (down === undefined) return statuses;
  throw new BuildError(`node ${down.node.name} of builder ${config.name} does not answer: ${down.error ?? ""}`, {
    code: "BUILDER_UNREACHABLE",
    status: "Unavailable",
    hint: `it is to be reached at ${down.location}`,
  });
}

async function nodeStatus(
  config: BuilderConfig,
  node: NodeConfig,
  shell: Shell,
  timeoutMs: number,
): Promise<NodeStatus> {
  const { connectNode, nodeDaemon, nodeLocation } = await import("../service/builders/index.ts");
  const signal = AbortSignal.timeout(timeoutMs);
  const location = await nodeLocation(config.driver, node, shell.env).catch(() => node.endpoint);
  const down = (state: "stopped" | "inactive", error: string | undefined): NodeStatus => ({
    node,
    location,
    state,
    error,
    version: "",
    platforms: node.platforms,
    labels: {},
    gcPolicies: [],
  });
  try {
    const daemon = await nodeDaemon(config.driver, node, shell.env);
    const state = (await daemon?.state(signal)) ?? "running";
    if (state === "stopped" || state === "inactive") return down(state, undefined);
    await using connection = await connectNode(config, node, { env: shell.env, signal });
    const [info, { record }] = await Promise.all([
      connection.control.info({}, { signal }).catch(() => undefined),
      connection.control.listWorkers({}, { signal }),
    ]);
    const version = info?.buildkitVersion?.version ?? "";
    const offered = record.flatMap(({ platforms }) =>
      platforms.map(({ OS, Architecture, Variant }) =>
        formatAllPlatform(
          normalizePlatform({ os: OS, architecture: Architecture, ...(Variant === "" ? {} : { variant: Variant }) }),
        ),
      ),
    );
    return {
      node,
      location,
      state: "running",
      error: undefined,
      version,
      platforms: [...new Set([...node.platforms.map((each) => `${each}*`), ...offered])],
      labels: Object.assign({}, ...record.map(({ Labels }) => Labels)) as Record<string, string>,
      gcPolicies: (record[0]?.GCPolicy ?? []).map((policy) => ({
        all: policy.all,
        filters: policy.filters,
        keepDurationMs: Number(policy.keepDuration) / 1e6,
        reservedBytes: Number(policy.reservedSpace),
        maxUsedBytes: Number(policy.maxUsedSpace),
        minFreeBytes: Number(policy.minFreeSpace),
      })),
    };
  } catch (error) {
    return down("inactive", messageOf(error));
  }
}
