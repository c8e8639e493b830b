// Who is on a network, as files that the DNS helpers read too: `networks/<id>/members/<container>` (address and names there),
// `networks/attached/<container>` (its networks and ports) and `networks/live/<container>`, which the supervisor holds a shared flock on for
// as long as it lives. A member whose lock nobody holds is gone: its address is free, its names mean nothing.
// Invariant: members are written under the networks' lock, with the live lock already held.

import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lockFile } from "../../system/linux/index.ts";
import { isHeld } from "./network-lock.ts";
import { namesIn, networkDir, networksDir, tryRead, writeWhole } from "./records.ts";
import type { PublishedPort } from "./types.ts";

export interface Member {
  readonly containerId: string;
  readonly ipv4: string;
  readonly mac: string;
  /** What it is found by there: its name, aliases, short id. The first one is what an address is called. */
  readonly names: readonly string[];
}

/** What a container has of networks, whichever they are. */
export interface AttachedRecord {
  readonly containerId: string;
  readonly containerName: string;
  /** The default route's first. */
  readonly networks: readonly { readonly id: string; readonly name: string; readonly internal: boolean }[];
  /** With the address and port inside. */
  readonly ports: readonly (PublishedPort & { readonly address: string })[];
}

export function livePath(root: string, containerId: string): string {
  return join(networksDir(root), "live", containerId);
}

export function memberPath(root: string, networkId: string, containerId: string): string {
  return join(networkDir(root, networkId), "members", containerId);
}

export function attachedPath(root: string, containerId: string): string {
  return join(networksDir(root), "attached", containerId);
}

/** Where the scripts of one container's start lie. */
export function scriptsDir(root: string, containerId: string): string {
  return join(networksDir(root), "scripts", containerId);
}

/** Takes the container's live lock for this process until released. The file is made where it is missing. */
export function holdLive(root: string, containerId: string): { release(): void } {
  for (const dir of ["live", "attached", "scripts"]) {
    mkdirSync(join(networksDir(root), dir), { recursive: true, mode: 0o755 });
  }
  const fd = openSync(livePath(root, containerId), "a+", 0o644);
  let open = true;
  lockFile(fd, "shared", true);
  return {
    release: () => {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** Whether the container's supervisor (or a start of it) lives. */
export function isLive(root: string, containerId: string): boolean {
  const path = livePath(root, containerId);
  // Whoever looks holds the lock for microseconds: only one that stays is a life.
  for (let look = 0; look < 3; look++) if (!isHeld(path)) return false;
  return true;
}

export function readMembers(root: string, networkId: string): Member[] {
  const members: Member[] = [];
  for (const containerId of namesIn(join(networkDir(root, networkId), "members"))) {
    if (!/^[0-9a-f]{12,64}$/.test(containerId)) continue;
    const text = tryRead(memberPath(root, networkId, containerId));
    if (text !== undefined) members.push(parseMember(containerId, text));
  }
  return members;
}

function parseMember(containerId: string, text: string): Member {
  const lines = wordsOf(text);
  const one = (key: string) => lines.find(([word]) => word === key)?.[1] ?? "";
  return {
    containerId,
    ipv4: one("ip"),
    mac: one("mac"),
    names: lines.flatMap(([word, name]) => (word === "name" && name !== undefined ? [name] : [])),
  };
}

export function writeMember(root: string, networkId: string, { containerId, ipv4, mac, names }: Member): void {
  const lines = [`ip ${ipv4}`, `mac ${mac}`, ...names.map((name) => `name ${name}`)];
  writeWhole(memberPath(root, networkId, containerId), `${lines.join("\n")}\n`);
}

export function readAttached(root: string, containerId: string): AttachedRecord | undefined {
  const text = tryRead(attachedPath(root, containerId));
  if (text === undefined) return undefined;
  const lines = wordsOf(text);
  return {
    containerId,
    containerName: lines.find(([word]) => word === "name")?.[1] ?? "",
    networks: lines.flatMap(([word, id, name = "", kind]) =>
      word === "network" && id !== undefined ? [{ id, name, internal: kind === "internal" }] : [],
    ),
    ports: lines.flatMap(([word, protocol, hostIp = "", hostPort, address = "", containerPort]) =>
      word === "port" && (protocol === "tcp" || protocol === "udp")
        ? [{ protocol, hostIp, hostPort: Number(hostPort), address, containerPort: Number(containerPort) }]
        : [],
    ),
  };
}

export function writeAttached(root: string, { containerId, containerName, networks, ports }: AttachedRecord): void {
  const lines = [
    `name ${containerName}`,
    ...networks.map(({ id, name, internal }) => `network ${id} ${name}${internal ? " internal" : ""}`),
    ...ports.map(
      (each) => `port ${each.protocol} ${each.hostIp} ${each.hostPort} ${each.address} ${each.containerPort}`,
    ),
  ];
  writeWhole(attachedPath(root, containerId), `${lines.join("\n")}\n`);
}

/** Ids of all containers that have files here, living or dead. */
export function attachedContainers(root: string): string[] {
  const ids = ["live", "attached", "scripts"].flatMap((dir) => namesIn(join(networksDir(root), dir)));
  return [...new Set(ids.filter((id) => /^[0-9a-f]{12,64}$/.test(id)))];
}

/** Removes all files of a container, on every network. */
export function removeMember(root: string, containerId: string): void {
  for (const id of namesIn(networksDir(root))) {
    if (/^[0-9a-f]{64}$/.test(id)) rmSync(memberPath(root, id, containerId), { force: true });
  }
  rmSync(attachedPath(root, containerId), { force: true });
  rmSync(livePath(root, containerId), { force: true });
  rmSync(scriptsDir(root, containerId), { recursive: true, force: true });
}

function wordsOf(text: string): string[][] {
  return text.split("\n").map((line) => line.split(" "));
}
