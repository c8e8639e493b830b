// `slipway network connect|disconnect`: running containers join and leave at once, others at their next start.
// Counterpart: moby/moby daemon/container_operations.go, whose words the errors have.

import { BuildError } from "../base/index.ts";
import { type Container, openContainers } from "../running/containers/index.ts";
import {
  alreadyConnected,
  connectNetwork,
  disconnectNetwork,
  type EndpointRequest,
  endpointsOf,
  findRecord,
  listNetworks,
  type NetworkRecord,
  notConnected,
} from "../running/networks/index.ts";
import type { Invocation } from "./command.ts";

export async function runConnect({ args, flags, shell, root }: Invocation): Promise<number> {
  for (const name of ["ip6", "link", "link-local-ip"]) {
    if (flags.has(name)) throw new Error(`--${name} is not yet supported`);
  }
  const [networkName = "", containerName = ""] = args;
  await using containers = await openContainers({ root, cwd: shell.cwd });
  const container = await containers.inspect(containerName);
  const network = record(root, networkName);
  const before = endpointsIn(container);
  if (before.some((each) => record(root, each.network).id === network.id))
    throw alreadyConnected(container.name, network.name);
  const wanted: EndpointRequest = {
    network: network.name,
    aliases: flags.list("alias"),
    ...(flags.string("ip") === "" ? {} : { ipv4: flags.string("ip") }),
  };
  if (container.state.pid > 0) await connectNetwork(root, wanted, running(container));
  await containers.setNetworks(container.id, [...before, wanted], endpointsOf(root, container.id));
  return 0;
}

export async function runDisconnect({ args, flags, shell, root }: Invocation): Promise<number> {
  const [networkName = "", containerName = ""] = args;
  await using containers = await openContainers({ root, cwd: shell.cwd });
  const container = await containers.inspect(containerName);
  const network = record(root, networkName);
  const before = endpointsIn(container);
  const left = before.filter((each) => record(root, each.network).id !== network.id);
  if (left.length === before.length) {
    if (flags.bool("force")) return 0;
    throw notConnected(container.id, network.name);
  }
  if (container.state.pid > 0) await disconnectNetwork(root, network.name, running(container));
  await containers.setNetworks(container.id, left, endpointsOf(root, container.id));
  return 0;
}

function running({ id, name, state }: Container): { id: string; name: string; pid: number } {
  return { id, name, pid: state.pid };
}

function record(root: string, name: string): NetworkRecord {
  return findRecord(listNetworks(root), name === "default" || name === "" ? "bridge" : name);
}

/** What the container asks of networks. @throws NETWORK_INVALID where it has none of its own. */
function endpointsIn({ config }: Container): readonly EndpointRequest[] {
  const { mode } = config.network;
  if (mode.kind === "networks") return mode.endpoints;
  const why = {
    host: "container sharing network namespace with another container or host cannot be connected to any other network",
    none: "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    container:
      "container sharing network namespace with another container or host cannot be connected to any other network",
  };
  throw new BuildError(why[mode.kind], { code: "NETWORK_INVALID", status: "InvalidArgument" });
}
