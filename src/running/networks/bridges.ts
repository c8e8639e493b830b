// The bridge of a network on this machine: made with its rules when the first container starts, taken away when nobody lives on it.
// Its alias carries the state root's mark, by which leftovers of a root are told from another's.
// Invariant: called with the networks locked. What a bridge's rules are made with is noted beside its record (`filter`).

import { createHash } from "node:crypto";
import { readFileSync, realpathSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import { ipBatch, tryCommand } from "./commands.ts";
import { formatIpv4, formatSubnet, overlaps, parseRoutes, pickSubnet, type Subnet, tryParseCidr } from "./ipv4.ts";
import {
  type Filter,
  FILTERS,
  chainRemoval,
  networkChain,
  networkRules,
  applyCommand,
  rulesCheck,
} from "./netfilter.ts";
import { withFileLocked } from "./network-lock.ts";
import {
  bridgeName,
  networkDir,
  type NetworkRecord,
  readRecords,
  tryRead,
  writeRecord,
  writeWhole,
} from "./records.ts";

/** All state roots of this machine cut subnets one after another. */
const MACHINE_LOCK = "/run/slipway-networks.lock";

/** Tells this state root's bridges and rules from another's. */
export function rootMark(root: string): string {
  return createHash("sha256").update(realpathSync(root)).digest("hex").slice(0, 16);
}

/** What a bridge of this state root is labelled with: the mark, and where the root is if that is short enough. */
export function bridgeAlias(root: string): string {
  const alias = `slipway:${rootMark(root)}:${encodeURIComponent(realpathSync(root)).replaceAll("'", "%27")}`;
  return alias.length < 250 ? alias : `slipway:${rootMark(root)}`;
}

/** Devices of the network namespace that this process is in. */
export function deviceNames(): Set<string> {
  const lines = readFileSync("/proc/net/dev", "utf8").split("\n").slice(2);
  return new Set(lines.map((line) => line.split(":")[0]!.trim()).filter((name) => name !== ""));
}

/** Subnets of this machine's routes, our own bridges' too. */
export function hostSubnets(): { subnet: Subnet; device: string }[] {
  return parseRoutes(tryRead("/proc/net/route") ?? "");
}

/** A subnet for a new network. @throws NETWORK_POOL_EMPTY in docker's words. */
export function freeSubnet(records: readonly NetworkRecord[]): { subnet: string; gateway: string } {
  const taken = [
    ...hostSubnets().map(({ subnet }) => subnet),
    ...records.flatMap(({ subnet }) => tryParseCidr(subnet)?.subnet ?? []),
  ];
  const subnet = pickSubnet(taken);
  if (subnet === undefined)
    throw new BuildError(
      "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
      {
        code: "NETWORK_POOL_EMPTY",
        status: "ResourceExhausted",
        hint: "slipway network prune, or give the network a --subnet",
      },
    );
  return { subnet: formatSubnet(subnet), gateway: formatIpv4(subnet.base + 1) };
}

/** The network with its bridge up: made now, or there already. Its subnet may have moved if the user chose none and it no longer fits. */
export async function ensureBridge(
  root: string,
  network: NetworkRecord,
): Promise<{ network: NetworkRecord; filter: Filter; warnings: string[] }> {
  const noted = tryRead(filterPath(root, network));
  if (noted !== undefined && deviceNames().has(bridgeName(network))) {
    const warnings: string[] = [];
    const filter = await keepRules(root, network, parseFilter(noted), warnings);
    return { network, filter, warnings };
  }
  return withFileLocked(MACHINE_LOCK, () => makeBridge(root, network));
}

async function makeBridge(
  root: string,
  record: NetworkRecord,
): Promise<{ network: NetworkRecord; filter: Filter; warnings: string[] }> {
  const bridge = bridgeName(record);
  // One that a crash left half made, or rules of before the machine started anew.
  await dropBridge(root, record);
  const network = fitting(root, record);
  const bits = network.subnet.slice(network.subnet.indexOf("/"));
  const warnings: string[] = [];
  try {
    await ipBatch([
      `link add name ${bridge} type bridge`,
      `link set dev ${bridge} addrgenmode none alias ${bridgeAlias(root)}`,
      `address add ${network.gateway}${bits} broadcast + dev ${bridge}`,
      `link set dev ${bridge} up`,
    ]);
    if (!network.internal) allowForwarding(warnings);
    const filter = await addRules(root, network, warnings);
    writeWhole(filterPath(root, network), filter);
    return { network, filter, warnings };
  } catch (error) {
    await tryCommand(["ip", "link", "del", bridge]);
    throw error;
  }
}

function fitting(root: string, network: NetworkRecord): NetworkRecord {
  const { subnet } = tryParseCidr(network.subnet)!;
  const other = hostSubnets().find((route) => overlaps(route.subnet, subnet));
  if (other === undefined) return network;
  if (network.subnetGiven)
    throw new BuildError("Pool overlaps with other one on this address space", {
      code: "NETWORK_OVERLAP",
      status: "FailedPrecondition",
      hint: `${network.subnet} of network ${network.name} and ${formatSubnet(other.subnet)} on ${other.device}`,
    });
  const moved = { ...network, ...freeSubnet(readRecords(root).filter(({ id }) => id !== network.id)) };
  writeRecord(root, moved);
  return moved;
}

function allowForwarding(warnings: string[]): void {
  const path = "/proc/sys/net/ipv4/ip_forward";
  try {
    if (readFileSync(path, "utf8").trim() !== "1") writeFileSync(path, "1");
  } catch {
    warnings.push(
      "IPv4 forwarding is disabled and can't be switched on: containers reach nothing outside of this machine",
    );
  }
}

/** Rules that another program swept away (a firewall that was loaded anew) come back; looked at once in ten seconds. */
async function keepRules(root: string, network: NetworkRecord, filter: Filter, warnings: string[]): Promise<Filter> {
  const path = filterPath(root, network);
  if (filter === "none" || Date.now() - statSync(path).mtimeMs < 10_000) return filter;
  utimesSync(path, new Date(), new Date());
  if ((await tryCommand(rulesCheck(filter, network, rootMark(root)))).ok) return filter;
  await removeRules(filter, network);
  const now = await addRules(root, network, warnings);
  writeWhole(path, now);
  return now;
}

async function addRules(root: string, network: NetworkRecord, warnings: string[]): Promise<Filter> {
  const forced = process.env["SLIPWAY_NETFILTER"];
  const candidates = FILTERS.filter(
    (each) => each !== "none" && (forced === undefined || forced === "" || forced === each),
  ) as Exclude<Filter, "none">[];
  const reasons: string[] = [];
  for (const filter of candidates) {
    // Noted before they are there: what a crash leaves half done is taken away by whoever comes next.
    writeWhole(filterPath(root, network), filter);
    const { ok, stderr } = await tryCommand(
      applyCommand(filter, "/dev/stdin"),
      networkRules(filter, network, rootMark(root)),
    );
    if (ok) return filter;
    reasons.push(stderr.split("\n")[0]!.trim());
  }
  const why = reasons.length > 0 ? ` (${reasons.join("; ")})` : "";
  warnings.push(
    network.internal
      ? `netfilter can't be used here${why}: network ${network.name} is not fenced off from the host's other networks`
      : `netfilter can't be used here${why}: containers of network ${network.name} reach nothing outside of this machine, and published ports show the proxy's address as the client's`,
  );
  return "none";
}

async function removeRules(filter: Filter, network: NetworkRecord): Promise<void> {
  const chain = networkChain(network);
  if (filter === "nft") await tryCommand(["nft", "delete", "table", "ip", chain]);
  if (filter === "iptables") await removeChain(chain);
}

/** Removes a chain of iptables and what leads to it, whatever of both is there. */
export async function removeChain(chain: string): Promise<void> {
  const { stdout } = await tryCommand(["iptables-save"]);
  const text = chainRemoval(stdout, chain);
  if (text !== "") await tryCommand(applyCommand("iptables", "/dev/stdin"), text);
}

/** Takes a network's bridge and rules away; nothing there is fine. */
export async function dropBridge(root: string, network: NetworkRecord): Promise<void> {
  const noted = tryRead(filterPath(root, network));
  const bridge = bridgeName(network);
  if (noted === undefined && !deviceNames().has(bridge)) return;
  await tryCommand(["ip", "link", "del", bridge]);
  await removeRules(parseFilter(noted ?? "iptables"), network);
  rmSync(filterPath(root, network), { force: true });
}

function filterPath(root: string, { id }: NetworkRecord): string {
  return join(networkDir(root, id), "filter");
}

function parseFilter(text: string): Filter {
  return FILTERS.find((each) => each === text.trim()) ?? "none";
}
