// The OCI runtime spec of a step. Spec: OCI runtime-spec v1.1 config.md. Counterpart: moby/buildkit executor/oci/spec*.go.

import { pb } from "../../formats/proto/index.ts";
import { ownCapabilities, sandboxCapabilities } from "./capabilities.ts";
import { seccompProfile } from "./seccomp.ts";
import type { ContainerProcess } from "./types.ts";
import type { ProcessUser } from "./user.ts";

export interface SpecOptions {
  readonly user: ProcessUser;
  readonly rootPath: string;
  /** Paths of the files that the step sees as its resolv.conf and hosts. */
  readonly resolvConfPath: string;
  readonly hostsPath: string;
  /** Undefined where the runtime is to make no cgroup at all. */
  readonly cgroupsPath: string | undefined;
}

interface Mount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

/** What containers must not see or change of the kernel's files. */
export const maskedPaths: readonly string[] = [
  "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
  "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
]; // prettier-ignore
export const readonlyPaths: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/** JSON-ready `config.json` of the process. */
export function runtimeSpec(process: ContainerProcess, options: SpecOptions): Record<string, unknown> {
  const insecure = process.security === pb.SecurityMode.INSECURE;
  const capabilities = insecure ? ownCapabilities() : sandboxCapabilities;
  const { uid, gid, additionalGids } = options.user;
  const namespaces = ["pid", "ipc", "uts", "mount"];
  if (process.network === pb.NetMode.NONE) namespaces.push("network");
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      // The primary group is listed too: a process that drops its group must not gain what "others" may do.
      user: { uid, gid, umask: 0o022, additionalGids: [...new Set([gid, ...additionalGids])] },
      args: process.args,
      env: process.env,
      cwd: process.cwd,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: false,
      ...(process.ulimits.length > 0
        ? {
            rlimits: process.ulimits.map(({ name, soft, hard }) => ({
              type: `RLIMIT_${name.toUpperCase()}`,
              soft: rlimit(soft),
              hard: rlimit(hard),
            })),
          }
        : {}),
    },
    root: { path: options.rootPath, readonly: process.rootReadOnly },
    hostname: process.hostname,
    mounts: mountsOf(process, options, insecure),
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      ...(options.cgroupsPath === undefined
        ? {}
        : { cgroupsPath: options.cgroupsPath, resources: resourcesOf(process, insecure) }),
      ...(insecure ? {} : { maskedPaths, readonlyPaths, seccomp: seccompProfile() }),
    },
  };
}

function mountsOf(process: ContainerProcess, options: SpecOptions, insecure: boolean): Mount[] {
  const mode = insecure ? "rw" : "ro";
  const mounts: Mount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", mode] },
    bind(options.resolvConfPath, "/etc/resolv.conf", true),
    bind(options.hostsPath, "/etc/hosts", true),
  ];
  if (options.cgroupsPath !== undefined) {
    const cgroup = ["nosuid", "noexec", "nodev", "relatime", mode];
    mounts.push({ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: cgroup });
  }
  for (const mount of process.mounts) {
    const made =
      mount.kind === "bind" ? bind(mount.source, mount.dest, mount.readOnly) : tmpfs(mount.dest, mount.sizeBytes);
    const same = mounts.findIndex((each) => each.destination === made.destination);
    if (same >= 0) mounts.splice(same, 1);
    mounts.push(made);
  }
  return mounts;
}

function bind(source: string, destination: string, readOnly: boolean): Mount {
  return { destination, type: "bind", source, options: ["rbind", readOnly ? "ro" : "rw"] };
}

function tmpfs(destination: string, sizeBytes: number | undefined): Mount {
  const size = sizeBytes === undefined ? [] : [`size=${sizeBytes}`];
  const options = destination === "/dev/shm" ? ["nosuid", "noexec", "nodev", "mode=1777"] : ["nosuid"];
  return {
    destination,
    type: "tmpfs",
    source: destination === "/dev/shm" ? "shm" : "tmpfs",
    options: [...options, ...size],
  };
}

function resourcesOf(process: ContainerProcess, insecure: boolean): Record<string, unknown> {
  const devices = insecure
    ? [{ allow: true, access: "rwm" }]
    : [
        { allow: false, access: "rwm" },
        ...standardDevices.map(([major, minor]) => ({ allow: true, type: "c", major, minor, access: "rwm" })),
        { allow: true, type: "c", access: "m" },
        { allow: true, type: "b", access: "m" },
      ];
  const limits = process.resources;
  if (limits === undefined) return { devices };
  const memory = { ...set("limit", limits.memory), ...set("swap", limits.memorySwap) };
  const cpu = {
    ...set("shares", limits.cpuShares),
    ...set("period", limits.cpuPeriod),
    ...set("quota", limits.cpuQuota),
    ...(limits.cpusetCpus ? { cpus: limits.cpusetCpus } : {}),
    ...(limits.cpusetMems ? { mems: limits.cpusetMems } : {}),
  };
  return { devices, ...(isEmpty(memory) ? {} : { memory }), ...(isEmpty(cpu) ? {} : { cpu }) };
}

/** null, zero, full, random, urandom, tty, console, ptmx, pts. */
export const standardDevices = [[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 1], [5, 2], [136, -1]] as const; // prettier-ignore

function set(name: string, value: bigint): Record<string, number> {
  return value === 0n ? {} : { [name]: Number(value) };
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

/** -1 means no limit, which the runtime spec writes as the largest unsigned number. */
function rlimit(value: bigint): number {
  return value < 0n ? Number.MAX_SAFE_INTEGER : Number(value);
}
