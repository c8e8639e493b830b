// What a container uses, from its control groups, of the old kind or the new. Counterpart: docker/cli command/container/stats_helpers.go.

import { readFileSync, statSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { cgroupPath } from "./start-file.ts";
import type { ContainerRecord } from "./container-store.ts";
import type { ContainerStats } from "./types.ts";

const CGROUPS = "/sys/fs/cgroup";

/** @param pid of its first process, whose network is counted. */
export function readStats(record: ContainerRecord, pid: number): ContainerStats {
  const path = cgroupPath(record);
  const unified = statSync(join(CGROUPS, "cgroup.controllers"), { throwIfNoEntry: false }) !== undefined;
  const numbers = unified ? readUnified(join(CGROUPS, path)) : readLegacy(path);
  return {
    id: record.id,
    name: record.name,
    ...numbers,
    memoryLimitBytes: Math.min(numbers.memoryLimitBytes, totalmem()),
    ...readNetwork(pid),
    timeNs: process.hrtime.bigint(),
  };
}

type Numbers = Omit<ContainerStats, "id" | "name" | "timeNs" | "networkReceivedBytes" | "networkSentBytes">;

function readUnified(group: string): Numbers {
  const io = readText(join(group, "io.stat"));
  const sum = (key: string) =>
    [...io.matchAll(new RegExp(`\\b${key}=(\\d+)`, "g"))].reduce((total, match) => total + Number(match[1]), 0);
  const inactive = field(readText(join(group, "memory.stat")), "inactive_file");
  return {
    cpuNs: field(readText(join(group, "cpu.stat")), "usage_usec") * 1000,
    memoryBytes: Math.max(0, number(join(group, "memory.current")) - inactive),
    memoryLimitBytes: number(join(group, "memory.max")) || Infinity,
    pids: number(join(group, "pids.current")),
    blockReadBytes: sum("rbytes"),
    blockWrittenBytes: sum("wbytes"),
  };
}

function readLegacy(path: string): Numbers {
  const at = (controller: string, file: string) => join(CGROUPS, controller, path, file);
  const io = readText(at("blkio", "blkio.throttle.io_service_bytes"));
  const sum = (word: string) =>
    [...io.matchAll(new RegExp(` ${word} (\\d+)`, "g"))].reduce((total, match) => total + Number(match[1]), 0);
  const inactive = field(readText(at("memory", "memory.stat")), "total_inactive_file");
  return {
    cpuNs: number(at("cpuacct", "cpuacct.usage")) || number(at("cpu,cpuacct", "cpuacct.usage")),
    memoryBytes: Math.max(0, number(at("memory", "memory.usage_in_bytes")) - inactive),
    memoryLimitBytes: number(at("memory", "memory.limit_in_bytes")) || Infinity,
    pids: number(at("pids", "pids.current")),
    blockReadBytes: sum("Read"),
    blockWrittenBytes: sum("Write"),
  };
}

function readNetwork(pid: number): Pick<ContainerStats, "networkReceivedBytes" | "networkSentBytes"> {
  let networkReceivedBytes = 0;
  let networkSentBytes = 0;
  for (const line of readText(`/proc/${pid}/net/dev`).split("\n").slice(2)) {
    const [name, rest = ""] = line.trim().split(/:\s*/);
    const columns = rest.split(/\s+/).map(Number);
    if (name === undefined || name === "lo" || columns.length < 9) continue;
    networkReceivedBytes += columns[0]!;
    networkSentBytes += columns[8]!;
  }
  return { networkReceivedBytes, networkSentBytes };
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}

function number(path: string): number {
  const value = Number(readText(path).trim());
  return Number.isFinite(value) ? value : 0;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
