// A daemon in a container of Docker Engine: the driver docker-container. Names are buildx's, so that both find the same container.
// Counterpart: docker/buildx driver/docker-container.

import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  containerLog,
  createContainer,
  dockerEndpoint,
  EngineClient,
  engineTraits,
  findContainer,
  imageVolumes,
  openExec,
  pullImage,
  removeContainer,
  removeVolume,
  startContainer,
  stopContainer,
} from "../docker/index.ts";
import type { NodeConfig } from "../builder-store/index.ts";
import { dialScript } from "./node-daemon.ts";
import type { DaemonState, NodeDaemon } from "./node-daemon.ts";
import { bytesOption, environmentOptions, invalidOption, numberOption } from "./option-values.ts";

type Environment = Readonly<Record<string, string | undefined>>;
type Options = NodeConfig["driverOpts"];

const DEFAULT_IMAGE = "moby/buildkit:buildx-stable-1";
/** Where images declare a volume for it; the second is BuildKit's, and that of our own image. */
const STATE_FOLDERS = ["/var/lib/slipway", "/var/lib/buildkit"];

/** A container this old may not answer yet: another command made it a moment ago. */
const YOUNG_MS = 15_000;

/** @throws DOCKER_CONTEXT_UNKNOWN, DOCKER_HOST_INVALID. */
export async function openContainerDaemon(node: NodeConfig, env: Environment): Promise<NodeDaemon> {
  return new ContainerDaemon(new EngineClient(dockerEndpoint(env, node.endpoint)), node);
}

class ContainerDaemon implements NodeDaemon {
  readonly #client: EngineClient;
  readonly #node: NodeConfig;
  readonly #name: string;

  constructor(client: EngineClient, node: NodeConfig) {
    this.#client = client;
    this.#node = node;
    this.#name = `buildx_buildkit_${node.name}`;
  }

  async state(signal: AbortSignal): Promise<DaemonState> {
    const found = await findContainer(this.#client, this.#name, signal);
    if (found === undefined) return "inactive";
    if (!found.isRunning) return "stopped";
    return Math.abs(Date.now() - found.startedAtMs) < YOUNG_MS ? "starting" : "running";
  }

  async start(signal: AbortSignal): Promise<void> {
    const client = this.#client;
    if ((await findContainer(client, this.#name, signal)) === undefined) {
      const image = this.#node.driverOpts["image"] ?? DEFAULT_IMAGE;
      let volumes = await imageVolumes(client, image, signal);
      if (volumes === undefined) {
        await pullImage(client, image, signal);
        volumes = (await imageVolumes(client, image, signal)) ?? [];
      }
      const folder = STATE_FOLDERS.find((each) => volumes.includes(each)) ?? STATE_FOLDERS[1]!;
      const traits = await engineTraits(client, signal);
      const settings = containerSettings(this.#node, { image, folder, volume: `${this.#name}_state`, ...traits });
      // Where another client was faster, that container is as good; its name is taken a moment before it can be found.
      if (!(await createContainer(client, this.#name, settings, signal))) {
        for (let tries = 0; tries < 100; tries++) {
          if ((await findContainer(client, this.#name, signal)) !== undefined) break;
          await sleep(100, undefined, { signal });
        }
      }
    }
    await startContainer(client, this.#name, signal);
  }

  dial(signal: AbortSignal): Promise<Duplex> {
    return openExec(this.#client, this.#name, ["sh", "-c", dialScript], signal);
  }

  log(signal: AbortSignal): Promise<string> {
    return containerLog(this.#client, this.#name, signal);
  }

  async stop(signal: AbortSignal): Promise<void> {
    if (["running", "starting"].includes(await this.state(signal)))
      await stopContainer(this.#client, this.#name, signal);
  }

  async remove({ keepState }: { readonly keepState: boolean }, signal: AbortSignal): Promise<void> {
    // In order, so that the store is whole for the next container.
    if (keepState) await this.stop(signal);
    await removeContainer(this.#client, this.#name, signal);
    if (!keepState) await removeVolume(this.#client, `${this.#name}_state`, signal);
  }
}

/** Refuses options that could not be meant. @throws DRIVER_OPTION_INVALID. */
export function checkContainerNode(node: NodeConfig): void {
  containerSettings(node, { image: "", folder: "", volume: "", cgroupDriver: "", hasUserNamespaces: false });
}

interface Place {
  readonly image: string;
  /** Where the daemon keeps its store. */
  readonly folder: string;
  readonly volume: string;
  readonly cgroupDriver: string;
  readonly hasUserNamespaces: boolean;
}

/** The container as the engine's API wants it. @throws DRIVER_OPTION_INVALID. */
export function containerSettings(node: NodeConfig, place: Place): Record<string, unknown> {
  const { driverOpts: options } = node;
  const { image, folder, volume, cgroupDriver, hasUserNamespaces } = place;
  return {
    Image: image,
    Env: environmentOptions(options),
    Cmd: node.flags.length > 0 ? node.flags : ["--allow-insecure-entitlement=network.host"],
    HostConfig: {
      Privileged: true,
      // Reaps what builds leave behind.
      Init: true,
      RestartPolicy: restartPolicy(options["restart-policy"] ?? "unless-stopped"),
      Mounts: [{ Type: "volume", Source: volume, Target: folder }],
      // One group for all builders, so that limits can be set to all of their builds.
      ...(cgroupDriver === "cgroupfs" ? { CgroupParent: options["cgroup-parent"] ?? "/docker/buildx" } : {}),
      ...(hasUserNamespaces ? { UsernsMode: "host" } : {}),
      ...limits(options),
    },
  };
}

function limits(options: Options): Record<string, unknown> {
  const { network, memory, cpus } = options;
  const amounts: readonly (readonly [string, string])[] = [
    ["cpu-quota", "CpuQuota"],
    ["cpu-period", "CpuPeriod"],
    ["cpu-shares", "CpuShares"],
  ];
  return {
    ...(network === undefined ? {} : { NetworkMode: network }),
    ...(memory === undefined ? {} : { Memory: bytesOption("memory", memory) }),
    ...(options["memory-swap"] === undefined
      ? {}
      : { MemorySwap: options["memory-swap"] === "-1" ? -1 : bytesOption("memory-swap", options["memory-swap"]) }),
    ...(cpus === undefined ? {} : { NanoCpus: Math.round(numberOption("cpus", cpus) * 1e9) }),
    ...Object.fromEntries(
      amounts.flatMap(([option, name]) => {
        const value = options[option];
        return value === undefined ? [] : [[name, Math.trunc(numberOption(option, value))]];
      }),
    ),
    ...(options["cpuset-cpus"] === undefined ? {} : { CpusetCpus: options["cpuset-cpus"] }),
    ...(options["cpuset-mems"] === undefined ? {} : { CpusetMems: options["cpuset-mems"] }),
  };
}

function restartPolicy(text: string): Record<string, unknown> {
  const match = /^(no|always|unless-stopped|on-failure)(?::(\d+))?$/.exec(text);
  if (match !== null && (match[2] === undefined || match[1] === "on-failure"))
    return { Name: match[1], ...(match[2] === undefined ? {} : { MaximumRetryCount: Number(match[2]) }) };
  throw invalidOption("restart-policy", text, "no, always, unless-stopped, on-failure or on-failure:TIMES");
}
