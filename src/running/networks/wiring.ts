// A container's wires to its networks, as lines: for the helper, which makes those of a start, and for ip(8), which makes those of a later `connect`.

import { createHash } from "node:crypto";
import { bridgeName, networksDir, type NetworkRecord } from "./records.ts";
import type { Endpoint } from "./types.ts";

/** Name of the host's end of a container's wire to a network. */
export function wireName(containerId: string, networkId: string): string {
  return `swv-${createHash("sha256").update(`${containerId} ${networkId}`).digest("hex").slice(0, 11)}`;
}

/** Lines of `ip -batch` in the host's namespace that put one end on the bridge and the other into the container. */
export function wireLines(options: {
  network: NetworkRecord;
  endpoint: Endpoint;
  containerId: string;
  device: string;
  netns: string;
}): string {
  const wire = wireName(options.containerId, options.network.id);
  return [
    `link add name ${wire} type veth peer name ${options.device} address ${options.endpoint.macAddress} netns ${options.netns}`,
    `link set dev ${wire} addrgenmode none master ${bridgeName(options.network)} up`,
    "",
  ].join("\n");
}

/** Lines of `ip -batch` in the container's namespace that give a device its address. */
export function deviceLines({ ipAddress, prefixLength }: Endpoint, device: string): string {
  return [
    `link set dev ${device} addrgenmode none`,
    `address add ${ipAddress}/${prefixLength} broadcast + dev ${device}`,
    `link set dev ${device} up`,
    "",
  ].join("\n");
}

/** The configuration of a container's helper: its wires, its DNS server, its published ports. Read by native/supervisor/net-config.c. */
export function helperText(options: {
  root: string;
  containerId: string;
  containerName: string;
  /** `eth0`, `eth1` … in this order. */
  joined: readonly { readonly network: NetworkRecord; readonly endpoint: Endpoint }[];
  /** Of the default route. */
  gateway: string | undefined;
  dnsPort: number;
  upstreams: readonly string[] | undefined;
  forwarded: readonly { protocol: string; hostIp: string; hostPort: number; address: string; containerPort: number }[];
}): string {
  const { root, containerId, containerName, joined, gateway, dnsPort, upstreams, forwarded } = options;
  return [
    `networks ${networksDir(root)}`,
    `container ${containerId}`,
    `name ${containerName}`,
    ...joined.map(({ network, endpoint }, at) =>
      [
        "wire",
        wireName(containerId, network.id),
        `eth${at}`,
        bridgeName(network),
        endpoint.macAddress,
        endpoint.ipAddress,
        endpoint.prefixLength,
      ].join(" "),
    ),
    ...(gateway === undefined ? [] : [`gateway ${gateway}`]),
    `dns-port ${dnsPort}`,
    ...(upstreams ?? []).map((server) => `upstream ${server}`),
    ...forwarded.map(
      (each) => `proxy ${each.protocol} ${each.hostIp} ${each.hostPort} ${each.address} ${each.containerPort}`,
    ),
    "",
  ].join("\n");
}
