// Networks joined and left by containers that run: a new wire into their namespace, or one taken out. The DNS helper reads the changed files by
// itself. Published ports stay on the network that the start put them on.
// Counterpart: moby/moby daemon/container_operations.go, whose words the errors have.

import { realpathSync, rmSync } from "node:fs";
import { BuildError } from "../../base/index.ts";
import { ensureBridge } from "./bridges.ts";
import { inNamespace, ipBatch, ipBatchIn, tryCommand } from "./commands.ts";
import {
  attachedPath,
  holdLive,
  isLive,
  memberPath,
  readAttached,
  readMembers,
  writeAttached,
  writeMember,
} from "./members.ts";
import { withNetworksLocked } from "./network-lock.ts";
import { claimEndpoint, resolveNetwork } from "./plan.ts";
import { type NetworkRecord, readRecords, tryRead } from "./records.ts";
import type { Endpoint, EndpointRequest } from "./types.ts";
import { deviceLines, wireLines, wireName } from "./wiring.ts";

/** A container that runs. */
export interface RunningContainer {
  readonly id: string;
  readonly name: string;
  /** Of a process in its network namespace. */
  readonly pid: number;
}

/** Puts a running container on one more network. @throws NETWORK_NOT_FOUND, NETWORK_CONNECTED, ADDRESS_*, … */
export async function connectNetwork(
  rootPath: string,
  wanted: EndpointRequest,
  container: RunningContainer,
): Promise<Endpoint> {
  const root = realpathSync(rootPath);
  return withNetworksLocked(root, async () => {
    const attached = readAttached(root, container.id);
    if (attached === undefined || !isLive(root, container.id))
      throw new BuildError(`container ${container.name} has no network of its own to connect to others`, {
        code: "NETWORK_INVALID",
        status: "FailedPrecondition",
        hint: "containers that were started with --network host, none or container: can't be connected while they run",
      });
    const found = resolveNetwork(root, wanted.network);
    if (attached.networks.some(({ id }) => id === found.id)) throw alreadyConnected(container.name, found.name);
    const { network } = await ensureBridge(root, found);
    const hold = holdLive(root, container.id);
    const netns = `/proc/${container.pid}/ns/net`;
    try {
      const endpoint = claimEndpoint(root, network, wanted, {
        containerId: container.id,
        containerName: container.name,
      });
      const device = await freeDevice(netns);
      await ipBatch(wireLines({ network, endpoint, containerId: container.id, device, netns }).split("\n"));
      const way =
        network.internal || (await hasDefaultRoute(netns))
          ? []
          : [`route add default via ${endpoint.gateway} dev ${device}`];
      await ipBatchIn(netns, [...deviceLines(endpoint, device).split("\n"), ...way]);
      writeAttached(root, { ...attached, networks: [...attached.networks, network] });
      return endpoint;
    } catch (error) {
      await unwire(root, network, container.id);
      throw error;
    } finally {
      hold.release();
    }
  });
}

/** What a second connection is refused with. */
export function alreadyConnected(containerName: string, networkName: string): BuildError {
  return new BuildError(`endpoint with name ${containerName} already exists in network ${networkName}`, {
    code: "NETWORK_CONNECTED",
    status: "PermissionDenied",
  });
}

/** What leaving a network that one is not on is refused with. */
export function notConnected(containerId: string, networkName: string): BuildError {
  return new BuildError(`container ${containerId} is not connected to network ${networkName}`, {
    code: "NETWORK_NOT_CONNECTED",
    status: "PermissionDenied",
  });
}

/** Takes a running container off a network. @throws NETWORK_NOT_FOUND, NETWORK_NOT_CONNECTED */
export async function disconnectNetwork(
  rootPath: string,
  networkName: string,
  container: RunningContainer,
): Promise<void> {
  const root = realpathSync(rootPath);
  await withNetworksLocked(root, async () => {
    const attached = readAttached(root, container.id);
    const network = resolveNetwork(root, networkName);
    if (attached === undefined || !attached.networks.some(({ id }) => id === network.id))
      throw notConnected(container.id, network.name);
    await unwire(root, network, container.id);
    const left = attached.networks.filter(({ id }) => id !== network.id);
    writeAttached(root, { ...attached, networks: left });
    const netns = `/proc/${container.pid}/ns/net`;
    if (await hasDefaultRoute(netns)) return;
    const way = endpointsOf(root, container.id).find(
      ({ networkId }) => !left.find(({ id }) => id === networkId)!.internal,
    );
    if (way !== undefined) await ipBatchIn(netns, [`route add default via ${way.gateway}`]);
  });
}

async function unwire(root: string, network: NetworkRecord, containerId: string): Promise<void> {
  await tryCommand(["ip", "link", "del", wireName(containerId, network.id)]);
  rmSync(memberPath(root, network.id, containerId), { force: true });
}

async function freeDevice(netns: string): Promise<string> {
  const { stdout } = await tryCommand(inNamespace(netns, ["ip", "-o", "link", "show"]));
  const used = new Set([...stdout.matchAll(/^\d+: (eth\d+)[@:]/gm)].map(([, name]) => name));
  let at = 0;
  while (used.has(`eth${at}`)) at++;
  return `eth${at}`;
}

async function hasDefaultRoute(netns: string): Promise<boolean> {
  const { stdout } = await tryCommand(inNamespace(netns, ["ip", "-4", "route", "show", "default"]));
  return stdout.trim() !== "";
}

/** Where a container is now, as its files say; empty when it does not live. */
export function endpointsOf(rootPath: string, containerId: string): Endpoint[] {
  const root = realpathSync(rootPath);
  const attached = readAttached(root, containerId);
  if (attached === undefined || !isLive(root, containerId)) return [];
  const records = readRecords(root);
  return attached.networks.flatMap(({ id }) => {
    const network = records.find((each) => each.id === id);
    const member = network && readMembers(root, id).find((each) => each.containerId === containerId);
    if (network === undefined || member === undefined) return [];
    return [
      {
        networkName: network.name,
        networkId: id,
        aliases: member.names.filter((name) => name !== attached.containerName),
        gateway: network.gateway,
        ipAddress: member.ipv4,
        prefixLength: Number(network.subnet.split("/")[1]),
        macAddress: member.mac,
      },
    ];
  });
}

/** A container has another name: from now on it is found by that. Not being on any network is fine. */
export async function renameInNetworks(rootPath: string, containerId: string, name: string): Promise<void> {
  if (tryRead(attachedPath(rootPath, containerId)) === undefined) return;
  const root = realpathSync(rootPath);
  await withNetworksLocked(root, () => {
    const attached = readAttached(root, containerId);
    if (attached === undefined) return;
    for (const { id } of attached.networks) {
      const member = readMembers(root, id).find((each) => each.containerId === containerId);
      if (member === undefined) continue;
      const others = member.names.filter((each) => each !== attached.containerName && each !== name);
      writeMember(root, id, { ...member, names: [name, ...others] });
    }
    writeAttached(root, { ...attached, containerName: name });
  });
}

/** A living container of a network. */
export interface NetworkMember {
  readonly containerId: string;
  readonly containerName: string;
  readonly ipAddress: string;
  readonly macAddress: string;
}

/** Containers that live on a network. */
export function networkMembers(root: string, networkId: string): NetworkMember[] {
  const found: NetworkMember[] = [];
  for (const { containerId, ipv4, mac } of readMembers(root, networkId)) {
    if (!isLive(root, containerId)) continue;
    found.push({
      containerId,
      containerName: readAttached(root, containerId)?.containerName ?? "",
      ipAddress: ipv4,
      macAddress: mac,
    });
  }
  return found;
}
