// What the start of a container does for its network: claims addresses and ports, makes missing bridges, and writes the scripts and the
// helper's configuration that the supervisor carries out. Everything claimed is bound to a lock that the supervisor takes over.

import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import { allocateAddress, macOf } from "./addresses.ts";
import { ensureBridge, rootMark } from "./bridges.ts";
import { defaultNetwork } from "./create.ts";
import { DNS_ADDRESS, hostHostsText, hostsText, parseExtraHost, resolvFiles } from "./host-files.ts";
import {
  attachedContainers,
  attachedPath,
  holdLive,
  isLive,
  livePath,
  memberPath,
  readAttached,
  readMembers,
  removeMember,
  scriptsDir,
  writeAttached,
  writeMember,
} from "./members.ts";
import { applyCommand, dnsRules, type Filter, portRemoval, portRules } from "./netfilter.ts";
import { withNetworksLocked } from "./network-lock.ts";
import { allocatePorts, hostHasIpv6 } from "./ports.ts";
import {
  DEFAULT_NETWORK,
  findRecord,
  HOST_RECORD,
  type NetworkRecord,
  NONE_RECORD,
  readRecords,
  tryRead,
} from "./records.ts";
import type {
  Endpoint,
  EndpointRequest,
  NetworkAsker,
  NetworkHelper,
  NetworkPlan,
  NetworkRequest,
  PortRequest,
  PublishedPort,
} from "./types.ts";
import { helperText } from "./wiring.ts";

/** Where the DNS server listens when packet rules lead there: above the ports that systems give out. */
const DNS_PORT = 61053;

const NOTHING = {
  hostUp: [],
  insideUp: [],
  hostDown: [],
  helpers: [],
  members: [],
  endpoints: [],
  ports: [],
  release: () => {},
} as const;

/**
 * What the start of a container has to do for its network; see {@link NetworkPlan}. Call `release` whatever comes of it, and
 * `leaveNetworks` too when the start has failed.
 * @throws NETWORK_NOT_FOUND, ADDRESS_*, PORT_ALLOCATED, HOST_INVALID, NETWORK_COMMAND … in docker's words where it has some.
 */
export async function planNetwork(request: NetworkRequest, asker: NetworkAsker): Promise<NetworkPlan> {
  const { mode } = request;
  const hostResolv = tryRead("/etc/resolv.conf") ?? "";
  const wanted = { servers: request.dns, search: request.dnsSearch, options: request.dnsOptions };
  if (mode.kind === "networks" && mode.endpoints.length > 0) return planBridged(mode.endpoints, request, asker);
  checkNetworkRequest(request);
  const warnings =
    request.ports.length > 0 ? [`Published ports are discarded when using ${mode.kind} network mode`] : [];
  const extraHosts = request.extraHosts.map((text) => parseExtraHost(text, "127.0.0.1"));
  const { text: resolvConf } = resolvFiles(wanted, hostResolv, false);
  const files = {
    hosts: hostsText({ extraHosts, addresses: [], hostname: asker.hostname, domainname: asker.domainname }),
    resolvConf,
  };
  switch (mode.kind) {
    case "host":
      return {
        ...NOTHING,
        netns: { kind: "host" },
        ...files,
        hosts: hostHostsText(tryRead("/etc/hosts") ?? "", extraHosts),
        warnings,
      };
    case "container": {
      if (asker.target === undefined)
        throw new BuildError(`No such container: ${mode.container}`, { code: "CONTAINER_UNKNOWN", status: "NotFound" });
      const { pid, dir } = asker.target;
      return { ...NOTHING, netns: { kind: "join", path: `/proc/${pid}/ns/net` }, ...files, sharedDir: dir, warnings };
    }
    case "none":
    case "networks":
      return { ...NOTHING, netns: { kind: "new" }, ...files, warnings };
  }
}

/** What docker refuses of a request by itself, whatever networks there are. @throws NETWORK_CONFLICT, HOST_INVALID in its words. */
export function checkNetworkRequest({
  mode,
  ports,
  publishAll,
  dns,
  dnsSearch,
  dnsOptions,
  extraHosts,
}: NetworkRequest): void {
  for (const text of extraHosts) parseExtraHost(text, "127.0.0.1");
  resolvFiles({ servers: dns }, "", false);
  if (mode.kind !== "container") return;
  const conflicts: [boolean, string][] = [
    [dns.length + dnsSearch.length + dnsOptions.length > 0, "dns and the network mode"],
    [extraHosts.length > 0, "custom host-to-IP mapping and the network mode"],
    [ports.length > 0 || publishAll, "port publishing and the container type network mode"],
  ];
  const found = conflicts.find(([is]) => is);
  if (found !== undefined)
    throw new BuildError(`conflicting options: ${found[1]}`, {
      code: "NETWORK_CONFLICT",
      status: "InvalidArgument",
      hint: `give them to container ${mode.container}, whose network it is`,
    });
}

interface Joined {
  readonly network: NetworkRecord;
  readonly filter: Filter;
  readonly endpoint: Endpoint;
}

async function planBridged(
  wanted: readonly EndpointRequest[],
  request: NetworkRequest,
  asker: NetworkAsker,
): Promise<NetworkPlan> {
  const root = realpathSync(asker.root);
  const { containerId } = asker;
  return withNetworksLocked(root, async () => {
    removeMember(root, containerId);
    const live = holdLive(root, containerId);
    try {
      const warnings: string[] = [];
      const joined: Joined[] = [];
      for (const each of wanted) joined.push(await joinNetwork(root, each, asker, warnings));
      const way = joined.find(({ network }) => !network.internal);
      const ports = way === undefined ? [] : claimPorts(root, request, asker);
      const forwarded = ports.flatMap((port) =>
        port.protocol === "sctp" ? [] : [{ ...port, protocol: port.protocol, address: way!.endpoint.ipAddress }],
      );
      writeAttached(root, {
        containerId,
        containerName: asker.containerName,
        networks: joined.map(({ network }) => network),
        ports: forwarded,
      });
      const gateway = (way ?? joined[0]!).endpoint.gateway;
      const extraHosts = request.extraHosts.map((text) => parseExtraHost(text, gateway));
      const resolv = resolvFiles(
        { servers: request.dns, search: request.dnsSearch, options: request.dnsOptions },
        tryRead("/etc/resolv.conf") ?? "",
        true,
      );
      const dir = scriptsDir(root, containerId);
      mkdirSync(dir, { recursive: true, mode: 0o755 });
      const scripts: string[] = [];
      const write = (name: string, text: string): string => {
        const path = join(dir, name);
        writeFileSync(path, text);
        scripts.push(path);
        return path;
      };
      const helper: NetworkHelper = {
        words: [
          "net",
          write(
            "helper",
            helperText({
              root,
              containerId,
              containerName: asker.containerName,
              joined,
              gateway: way?.endpoint.gateway,
              dnsPort: joined[0]!.filter === "none" ? 53 : DNS_PORT,
              upstreams: resolv.upstreams,
              forwarded,
            }),
          ),
        ],
      };
      const rules =
        way === undefined || way.filter === "none" ? "" : portRules(way.filter, containerId, forwarded, rootMark(root));
      const filter = way?.filter;
      const inside: string[][] = [];
      const inner = joined[0]!.filter;
      if (inner !== "none")
        inside.push(applyCommand(inner, write("dns-rules", dnsRules(inner, DNS_ADDRESS, DNS_PORT))));
      const up: string[][] = [];
      const down: string[][] = [];
      if (rules !== "" && filter !== undefined && filter !== "none") {
        up.push(applyCommand(filter, write("rules", rules)));
        down.push(applyCommand(filter, write("unrules", portRemoval(filter, containerId, rootMark(root)))));
      }
      return {
        netns: { kind: "new" },
        hostUp: up,
        insideUp: inside,
        hostDown: down,
        helpers: [helper],
        members: [
          livePath(root, containerId),
          attachedPath(root, containerId),
          ...joined.map(({ network }) => memberPath(root, network.id, containerId)),
          // They go with the others: what is still there later tells of a crash.
          ...scripts,
        ],
        hosts: hostsText({
          extraHosts,
          addresses: joined.map(({ endpoint }) => endpoint.ipAddress),
          hostname: asker.hostname,
          domainname: asker.domainname,
        }),
        resolvConf: resolv.text,
        endpoints: joined.map(({ endpoint }) => endpoint),
        ports,
        warnings,
        release: () => live.release(),
      };
    } catch (error) {
      live.release();
      removeMember(root, containerId);
      throw error;
    }
  });
}

/** Claims an address on one network, whose bridge is made when it is missing. */
async function joinNetwork(
  root: string,
  wanted: EndpointRequest,
  asker: NetworkAsker,
  warnings: string[],
): Promise<Joined> {
  const up = await ensureBridge(root, resolveNetwork(root, wanted.network));
  warnings.push(...up.warnings);
  const endpoint = claimEndpoint(root, up.network, wanted, asker);
  return { ...up, endpoint };
}

/** The network of this name, which may be `default`. @throws NETWORK_NOT_FOUND; NETWORK_INVALID for host and none beside others. */
export function resolveNetwork(root: string, name: string): NetworkRecord {
  if (name === "" || name === "default" || name === DEFAULT_NETWORK) return defaultNetwork(root);
  const record = findRecord([...readRecords(root), HOST_RECORD, NONE_RECORD], name);
  if (record.driver !== "bridge")
    throw new BuildError(`container cannot be connected to ${record.name} and to another network`, {
      code: "NETWORK_INVALID",
      status: "InvalidArgument",
    });
  return record;
}

/** Writes a member with an address of its own. Called with the networks and the container's live file locked. */
export function claimEndpoint(
  root: string,
  network: NetworkRecord,
  wanted: EndpointRequest,
  { containerId, containerName }: Pick<NetworkAsker, "containerId" | "containerName">,
): Endpoint {
  const taken = new Set<string>();
  for (const member of readMembers(root, network.id)) {
    if (member.containerId !== containerId && isLive(root, member.containerId)) taken.add(member.ipv4);
  }
  const ipAddress = allocateAddress(network, taken, wanted.ipv4);
  const macAddress =
    wanted.macAddress === undefined || wanted.macAddress === "" ? macOf(ipAddress) : checkMac(wanted.macAddress);
  const aliases = [...new Set([...wanted.aliases, containerId.slice(0, 12)])];
  const names = [containerName, ...aliases].filter((name) => /^[^\s]{1,253}$/.test(name));
  writeMember(root, network.id, { containerId, ipv4: ipAddress, mac: macAddress, names });
  return {
    networkName: network.name,
    networkId: network.id,
    aliases,
    gateway: network.gateway,
    ipAddress,
    prefixLength: Number(network.subnet.split("/")[1]),
    macAddress,
  };
}

function checkMac(text: string): string {
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return text.toLowerCase();
  throw new BuildError(`invalid MAC address: ${text}`, { code: "ADDRESS_INVALID", status: "InvalidArgument" });
}

function claimPorts(
  root: string,
  request: NetworkRequest,
  { containerId, containerName }: NetworkAsker,
): PublishedPort[] {
  const requests: PortRequest[] = [...request.ports];
  if (request.publishAll) {
    for (const exposed of request.exposed) {
      const [port, protocol] = exposed.split("/");
      const containerPort = Number(port);
      if (protocol !== "tcp" && protocol !== "udp") continue;
      if (!requests.some((each) => each.containerPort === containerPort && each.protocol === protocol))
        requests.push({ hostIp: "", hostPort: "", containerPort, protocol });
    }
  }
  if (requests.length === 0) return [];
  const others = [];
  for (const id of attachedContainers(root)) {
    const other = id === containerId ? undefined : readAttached(root, id);
    if (other !== undefined && other.ports.length > 0 && isLive(root, id)) others.push(other);
  }
  return allocatePorts({ requests, others, containerName, containerId, ipv6: hostHasIpv6() });
}
