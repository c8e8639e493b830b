// Which ports of this machine a container gets: those asked for, if free, else any free one of the range. Who has a port is told by
// name where it is one of ours, by program where it is another's.
// Invariant: called with the networks locked, so that two starts never choose the same one.
// Counterpart: moby/libnetwork portallocator.

import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { BuildError } from "../../base/index.ts";
import type { AttachedRecord } from "./members.ts";
import { tryRead } from "./records.ts";
import type { PortRequest, PublishedPort } from "./types.ts";

/** A port of this machine that somebody listens on. */
interface Listener {
  readonly protocol: "tcp" | "udp";
  /** Dotted, `::`, or empty for an address that we do not compare. */
  readonly ip: string;
  readonly port: number;
  readonly inode: string;
}

export interface AllocateOptions {
  readonly requests: readonly PortRequest[];
  /** Containers that live, this one left out. */
  readonly others: readonly AttachedRecord[];
  /** For error texts. */
  readonly containerName: string;
  readonly containerId: string;
  /** Also on `::`, for those that ask for no address. */
  readonly ipv6: boolean;
}

/** @throws PORT_ALLOCATED in docker's words, naming who has the port; PORT_INVALID for sctp. */
export function allocatePorts({
  requests,
  others,
  containerName,
  containerId,
  ipv6,
}: AllocateOptions): PublishedPort[] {
  const listeners = readListeners();
  const chosen: PublishedPort[] = [];
  const fail = (what: string, code: string, hint?: string): BuildError =>
    new BuildError(
      `driver failed programming external connectivity on endpoint ${containerName} (${containerId}): ${what}`,
      {
        code,
        status: "FailedPrecondition",
        exitCode: 125,
        ...(hint === undefined ? {} : { hint }),
      },
    );
  const holderOf = (request: PortRequest, port: number): { what: string; hint?: string } | undefined => {
    const { protocol, hostIp } = request;
    if (protocol === "sctp") return undefined;
    const shown = hostIp === "" ? "0.0.0.0" : hostIp.includes(":") ? `[${hostIp}]` : hostIp;
    const allocated = `Bind for ${shown}:${port} failed: port is already allocated`;
    const hits = (each: { protocol: string; hostIp: string; hostPort: number }) =>
      each.protocol === protocol && each.hostPort === port && clash(each.hostIp, hostIp);
    const other = others.find(({ ports }) => ports.some(hits));
    if (other !== undefined)
      return {
        what: allocated,
        hint: `container ${other.containerName} has it: slipway stop ${other.containerName}, or choose another port`,
      };
    if (chosen.some(hits)) return { what: allocated, hint: "this container asks for it twice" };
    const foreign = listeners.find(
      (each) => each.protocol === protocol && each.port === port && clash(each.ip, hostIp),
    );
    if (foreign === undefined) return undefined;
    const program = programOf(foreign.inode);
    return {
      what: `failed to bind host port ${shown}:${port}/${protocol}: address already in use`,
      hint: program === undefined ? "another program listens there" : `${program} listens there`,
    };
  };
  for (const request of requests) {
    const { protocol, containerPort } = request;
    if (protocol === "sctp") throw fail("publishing sctp ports is not yet supported", "PORT_INVALID");
    let port: number;
    const [first, last] = request.hostPort.split("-").map(Number);
    if (request.hostPort === "" || first === 0) {
      const free = anyPort((candidate) => holderOf(request, candidate) === undefined);
      if (free === undefined) throw fail("no free port is left", "PORT_ALLOCATED");
      port = free;
    } else if (last !== undefined) {
      const free = Array.from({ length: last - first! + 1 }, (_, at) => first! + at).find(
        (candidate) => holderOf(request, candidate) === undefined,
      );
      if (free === undefined) {
        const holder = holderOf(request, first!)!;
        throw fail(holder.what, "PORT_ALLOCATED", `all of ${request.hostPort} are taken`);
      }
      port = free;
    } else {
      port = first!;
      const holder = holderOf(request, port);
      if (holder !== undefined) throw fail(holder.what, "PORT_ALLOCATED", holder.hint);
    }
    const ips = request.hostIp === "" ? (ipv6 ? ["0.0.0.0", "::"] : ["0.0.0.0"]) : [request.hostIp];
    for (const hostIp of ips) chosen.push({ protocol, containerPort, hostIp, hostPort: port });
  }
  return chosen;
}

/** Whether this machine has IPv6 at all. */
export function hostHasIpv6(): boolean {
  return (tryRead("/proc/net/if_inet6") ?? "") !== "";
}

function clash(one: string, other: string): boolean {
  const any = (ip: string) => ip === "" || ip === "0.0.0.0" || ip === "::";
  if (one === other) return true;
  // `::` alone leaves IPv4 free, and the reverse.
  const family = (ip: string) => (ip === "" ? 0 : ip.includes(":") ? 6 : 4);
  const [a, b] = [family(one), family(other)];
  return (any(one) || any(other)) && (a === 0 || b === 0 || a === b);
}

function anyPort(isFree: (port: number) => boolean): number | undefined {
  const [low = 32768, high = 60999] = (tryRead("/proc/sys/net/ipv4/ip_local_port_range") ?? "")
    .split(/\s+/)
    .filter(Boolean)
    .map(Number);
  const size = high - low + 1;
  const start = Math.floor(Math.random() * size);
  for (let step = 0; step < size; step++) {
    const port = low + ((start + step) % size);
    if (isFree(port)) return port;
  }
  return undefined;
}

function readListeners(): Listener[] {
  return (["tcp", "tcp6", "udp", "udp6"] as const).flatMap((file) =>
    parseSockets(file, tryRead(`/proc/net/${file}`) ?? ""),
  );
}

/** Sockets that wait for peers, of one file of /proc/net. */
export function parseSockets(file: "tcp" | "tcp6" | "udp" | "udp6", text: string): Listener[] {
  const protocol = file.startsWith("tcp") ? "tcp" : "udp";
  const found: Listener[] = [];
  for (const line of text.split("\n").slice(1)) {
    const words = line.trim().split(/\s+/);
    const [, local = "", , state] = words;
    const [address = "", port = ""] = local.split(":");
    // TCP: listening. UDP: not connected.
    if (state !== (protocol === "tcp" ? "0A" : "07")) continue;
    found.push({ protocol, ip: addressOf(address), port: Number.parseInt(port, 16), inode: words[9] ?? "" });
  }
  return found;
}

function addressOf(hex: string): string {
  if (hex.length === 8)
    return hex
      .match(/../g)!
      .reverse()
      .map((byte) => Number.parseInt(byte, 16))
      .join(".");
  // `::` usually takes IPv4 too; whether it does is not told here, so it counts as any.
  return /^0+$/.test(hex) ? "" : `[${hex}]`;
}

/** `nginx (pid 12)`: who has the socket, if it can be seen. */
function programOf(inode: string): string | undefined {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== `socket:[${inode}]`) continue;
        return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`;
      }
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined;
}
