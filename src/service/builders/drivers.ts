// How each kind of node is reached: a daemon by its address, an engine's own BuildKit through the engine.
// Counterpart: docker/buildx driver/{remote,docker}.

import { readFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, errnoOf, messageOf } from "../../base/index.ts";
import { connectionOver } from "../client/index.ts";
import type { BuildkitConnection } from "../client/index.ts";
import { dockerEndpoint, EngineClient } from "../docker/index.ts";
import { Channel, parseAddress, RpcError } from "../../system/rpc/index.ts";
import type { TlsOptions } from "../../system/rpc/index.ts";
import type { BuilderConfig, DriverName, NodeConfig } from "../builder-store/index.ts";
import { checkContainerNode, openContainerDaemon } from "./container-daemon.ts";
import { checkKubernetesNode, openKubernetesDaemon } from "./kubernetes-daemon.ts";
import { workloadName } from "./kubernetes-manifest.ts";
import type { NodeDaemon } from "./node-daemon.ts";

/** What each driver's options are called. */
export const driverOptions: Readonly<Record<DriverName, readonly string[]>> = {
  remote: ["cacert", "cert", "key", "servername", "default-load"],
  docker: [],
  "docker-container": [
    "image",
    "network",
    "memory",
    "memory-swap",
    "cpus",
    "cpu-quota",
    "cpu-period",
    "cpu-shares",
    "cpuset-cpus",
    "cpuset-mems",
    "cgroup-parent",
    "restart-policy",
    "env.NAME",
    "default-load",
  ],
  kubernetes: [
    "image",
    "namespace",
    "replicas",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "statefulset",
    "storage",
    "persistent-volume-claim.requests.storage",
    "nodeselector",
    "tolerations",
    "labels",
    "annotations",
    "serviceaccount",
    "schedulername",
    "loadbalance",
    "timeout",
    "env.NAME",
    "default-load",
  ],
};

type Environment = Readonly<Record<string, string | undefined>>;

const KEEP_ALIVE = { intervalMs: 10_000, timeoutMs: 30_000 };

/** Connects to a node. @throws BUILDER_UNREACHABLE-like errors of the address, the engine or the certificates. */
export async function connectNode(
  { driver, name }: Pick<BuilderConfig, "driver" | "name">,
  node: NodeConfig,
  options: { readonly env: Environment; readonly signal: AbortSignal },
): Promise<BuildkitConnection> {
  switch (driver) {
    case "remote":
      return connectionOver(await dialRemote(node, options.signal));
    case "docker": {
      const client = new EngineClient(dockerEndpoint(options.env, node.endpoint));
      const duplex = await client.hijack("/grpc", { protocol: "h2c" }, options.signal);
      return connectionOver(Channel.over(duplex));
    }
    case "docker-container":
    case "kubernetes": {
      const daemon = await nodeDaemon(driver, node, options.env);
      const state = await daemon?.state(options.signal);
      if (daemon !== undefined && (state === "running" || state === "starting"))
        return connectionOver(Channel.over(await daemon.dial(options.signal)));
      throw new BuildError(`node ${node.name} of builder ${name} is ${state ?? "inactive"}`, {
        code: "BUILDER_UNREACHABLE",
        status: "Unavailable",
        hint: `slipway bootstrap ${name} starts it`,
      });
    }
  }
}

/** The daemon of a node whose driver starts it itself; undefined for the other drivers. */
export async function nodeDaemon(
  driver: DriverName,
  node: NodeConfig,
  env: Environment,
): Promise<NodeDaemon | undefined> {
  switch (driver) {
    case "docker-container":
      return openContainerDaemon(node, env);
    case "kubernetes":
      return openKubernetesDaemon(node, env);
    case "remote":
    case "docker":
      return undefined;
  }
}

/** Refuses a node whose options could not be meant, before anything is made of it. @throws DRIVER_OPTION_INVALID, BUILDER_NAME_INVALID. */
export function checkNode(driver: DriverName, node: NodeConfig): void {
  if (driver === "kubernetes") checkKubernetesNode(node);
  if (driver === "docker-container") checkContainerNode(node);
}

/**
 * Sees to it that a node's daemon runs and answers; nothing happens for drivers that start none. `say` hears what takes long.
 * @throws IMAGE_PULL_FAILED, ENGINE_FAILED; BUILDER_UNREACHABLE with its last words where it does not answer in time.
 */
export async function bootNode(
  { driver, name }: Pick<BuilderConfig, "driver" | "name">,
  node: NodeConfig,
  { env, say }: { readonly env: Environment; readonly say: (line: string) => void },
): Promise<void> {
  const daemon = await nodeDaemon(driver, node, env);
  if (daemon === undefined) return;
  const signal = AbortSignal.timeout(BOOT_MS);
  const state = await daemon.state(signal);
  if (state === "running") return;
  if (state !== "starting") {
    say(`booting builder ${name}, node ${node.name}`);
    await daemon.start(signal);
  }
  for (const deadline = Date.now() + ANSWER_MS; ;) {
    try {
      const patience = AbortSignal.timeout(TRY_MS);
      await using connection = connectionOver(Channel.over(await daemon.dial(patience)));
      await connection.control.listWorkers({}, { signal: patience });
      return;
    } catch (cause) {
      if (Date.now() < deadline) {
        await sleep(RETRY_MS);
        continue;
      }
      const words = await daemon.log(AbortSignal.timeout(TRY_MS)).catch(() => "");
      throw new BuildError(
        `node ${node.name} of builder ${name} was started but does not answer: ${messageOf(cause)}`,
        {
          code: "BUILDER_UNREACHABLE",
          status: "Unavailable",
          ...(words === "" ? {} : { hint: `its last words: ${words}` }),
          cause,
        },
      );
    }
  }
}

/** A pull may be among it. */
const BOOT_MS = 10 * 60_000;
const ANSWER_MS = 45_000;
const TRY_MS = 10_000;

/** What a node is reached by, for lists and messages. */
export async function nodeLocation(driver: DriverName, node: NodeConfig, env: Environment): Promise<string> {
  if (driver === "kubernetes")
    return `kubernetes://${node.endpoint}/${node.driverOpts["namespace"] ?? ""}/${workloadName(node)}`;
  return driver.startsWith("docker") ? dockerEndpoint(env, node.endpoint).host : node.endpoint;
}

async function dialRemote(node: NodeConfig, signal: AbortSignal): Promise<Channel> {
  const { endpoint } = node;
  if (endpoint.startsWith("ssh://")) return Channel.over(overSsh(endpoint), { keepAlive: KEEP_ALIVE });
  const address = parseAddress(endpoint);
  const tls = readTls(node.driverOpts);
  if (tls !== undefined && address.kind !== "tcp") {
    throw new BuildError(`certificates are for tcp:// addresses, not for ${endpoint}`, {
      code: "DRIVER_OPTION_INVALID",
      status: "InvalidArgument",
    });
  }
  const options = { tls, signal, ...(address.kind === "tcp" ? { keepAlive: KEEP_ALIVE } : {}) };
  for (const deadline = Date.now() + PATIENCE_MS; ;) {
    try {
      return await Channel.dial(address, options);
    } catch (error) {
      // A link that is down for a moment; a daemon that is not there is told at once.
      const cause = error instanceof RpcError ? errnoOf(error.cause) : undefined;
      if (!PASSING.includes(cause ?? "") || Date.now() > deadline || signal.aborted) throw error;
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
}

const PASSING = ["ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "ECONNRESET"];
const PATIENCE_MS = 10_000;
const RETRY_MS = 250;

function readTls(options: Readonly<Record<string, string>>): TlsOptions | undefined {
  const { cacert, cert, key, servername } = options;
  if ([cacert, cert, key, servername].every((value) => value === undefined)) return undefined;
  if (cacert === undefined) throw optionMissing("cacert");
  if (cert !== undefined && key === undefined) throw optionMissing("key");
  if (key !== undefined && cert === undefined) throw optionMissing("cert");
  return {
    ca: readPem(cacert),
    ...(cert === undefined ? {} : { cert: readPem(cert) }),
    ...(key === undefined ? {} : { key: readPem(key) }),
    ...(servername === undefined ? {} : { serverName: servername }),
  };
}

function optionMissing(name: string): BuildError {
  return new BuildError(`tls: the driver option ${name} is missing`, {
    code: "DRIVER_OPTION_INVALID",
    status: "InvalidArgument",
    hint: "give --driver-opt cacert=FILE,cert=FILE,key=FILE",
  });
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new BuildError(`can't read ${path}: ${errnoOf(error) ?? "unreadable"}`, {
      code: "DRIVER_OPTION_INVALID",
      status: "InvalidArgument",
      cause: error,
    });
  }
}

/** `slipway dial-stdio`, or buildctl's, on the other machine: whichever is there. */
function overSsh(endpoint: string): Duplex {
  const url = new URL(endpoint);
  const target = url.username === "" ? url.hostname : `${decodeURIComponent(url.username)}@${url.hostname}`;
  if (target === "" || target.startsWith("-")) {
    throw new BuildError(`invalid address ${JSON.stringify(endpoint)}`, {
      code: "ADDRESS_INVALID",
      status: "InvalidArgument",
      hint: "ssh://user@host, or ssh://user@host/path/to.sock",
    });
  }
  const port = url.port === "" ? [] : ["-p", url.port];
  const socket = url.pathname === "/" ? "" : decodeURIComponent(url.pathname);
  if (!/^[\w./@:+-]*$/.test(socket)) {
    throw new BuildError(`invalid socket path in ${JSON.stringify(endpoint)}`, {
      code: "ADDRESS_INVALID",
      status: "InvalidArgument",
    });
  }
  const address = socket === "" ? "" : ` --addr unix://${socket}`;
  const command = `if command -v slipway >/dev/null 2>&1; then exec slipway dial-stdio${address}; else exec buildctl${address} dial-stdio; fi`;
  const child = spawn("ssh", ["-o", "ConnectTimeout=30", "-T", ...port, "--", target, command], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin } as never);
  child.on("error", (error) => duplex.destroy(error));
  duplex.on("close", () => child.kill());
  return duplex;
}
