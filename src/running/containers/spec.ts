// The OCI runtime spec of a container. Spec: OCI runtime-spec v1.1 config.md, config-linux.md.
// Counterpart: moby/moby daemon/oci_linux.go.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import { maskedPaths, readonlyPaths, standardDevices } from "../../engine/executor/index.ts";
import type { ProcessUser } from "../../engine/executor/index.ts";
import type { ContainerMount } from "../volumes/index.ts";
import type { ContainerRecord } from "./container-store.ts";
import type { Security } from "./security.ts";
import { cgroupPath } from "./start-file.ts";
import type { ContainerConfig, ContainerResources } from "./types.ts";

export interface SpecParts {
  readonly record: ContainerRecord;
  readonly dir: string;
  readonly user: ProcessUser;
  readonly security: Security;
  /** Files that the container sees under /etc. */
  readonly files: { readonly hosts: string; readonly hostname: string; readonly resolvConf: string };
  readonly hostNetwork: boolean;
  /** Namespaces of another container, by kind. */
  readonly joined: { readonly pid?: string | undefined; readonly ipc?: string | undefined };
  /** The program that serves as init inside. */
  readonly initProgram: string;
}

interface Mount {
  destination: string;
  type: string;
  source: string;
  options: readonly string[];
}

/** JSON-ready `config.json`. @throws DEVICE_MISSING. */
export function containerSpec(parts: SpecParts): Record<string, unknown> {
  const { record, dir, security } = parts;
  const { config } = record;
  const { privileged } = security;
  const devices = devicesOf(config.devices ?? [], privileged);
  return {
    ociVersion: "1.0.2",
    process: processSpec(parts, {
      terminal: config.tty,
      args:
        config.init === true ? ["/sbin/docker-init", "--", record.path, ...record.args] : [record.path, ...record.args],
      env: record.effective.env,
      cwd: record.effective.workingDir,
    }),
    root: { path: join(dir, "rootfs"), readonly: config.readOnlyRoot ?? false },
    hostname: config.utsMode === "host" ? undefined : record.effective.hostname,
    mounts: mountsOf(parts),
    ...(config.annotations === undefined ? {} : { annotations: config.annotations }),
    linux: {
      namespaces: namespacesOf(parts),
      cgroupsPath: cgroupPath(record),
      resources: resourcesOf(config.resources ?? {}, devices),
      ...(devices.nodes.length > 0 ? { devices: devices.nodes } : {}),
      sysctl: sysctlsOf(config),
      ...(security.openPaths ? {} : { maskedPaths, readonlyPaths }),
      ...(security.seccomp === undefined ? {} : { seccomp: security.seccomp }),
    },
  };
}

/** The process part alone, as `exec` needs it too. */
export function processSpec(
  { record, user, security }: Pick<SpecParts, "record" | "user" | "security">,
  what: {
    readonly terminal: boolean;
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
  },
): Record<string, unknown> {
  const { config } = record;
  const { capabilities } = security;
  const { uid, gid, additionalGids } = user;
  // Programs of another user than root start without capabilities, but may gain them from files.
  const effective = uid === 0 ? capabilities : [];
  return {
    terminal: what.terminal,
    user: { uid, gid, umask: 0o022, additionalGids: [...new Set([gid, ...additionalGids])] },
    args: what.args,
    env: what.env,
    cwd: what.cwd,
    capabilities: { bounding: capabilities, effective, permitted: effective },
    noNewPrivileges: security.noNewPrivileges,
    ...(config.oomScoreAdj === undefined ? {} : { oomScoreAdj: config.oomScoreAdj }),
    ...((config.ulimits ?? []).length > 0
      ? {
          rlimits: config.ulimits!.map(({ name, soft, hard }) => ({
            type: `RLIMIT_${name.toUpperCase()}`,
            soft: soft < 0 ? Number.MAX_SAFE_INTEGER : soft,
            hard: hard < 0 ? Number.MAX_SAFE_INTEGER : hard,
          })),
        }
      : {}),
  };
}

function namespacesOf({ record, dir, hostNetwork, joined }: SpecParts): { type: string; path?: string }[] {
  const { config } = record;
  const namespaces: { type: string; path?: string }[] = [{ type: "mount" }];
  if (config.utsMode !== "host") namespaces.push({ type: "uts" });
  if (joined.pid !== undefined) namespaces.push({ type: "pid", path: joined.pid });
  else if (config.pidMode !== "host") namespaces.push({ type: "pid" });
  if (joined.ipc !== undefined) namespaces.push({ type: "ipc", path: joined.ipc });
  else if (config.ipcMode !== "host") namespaces.push({ type: "ipc" });
  if (!hostNetwork) namespaces.push({ type: "network", path: join(dir, "netns") });
  if (hasUnifiedCgroups() && config.privileged !== true) namespaces.push({ type: "cgroup" });
  return namespaces;
}

function hasUnifiedCgroups(): boolean {
  return statSync("/sys/fs/cgroup/cgroup.controllers", { throwIfNoEntry: false }) !== undefined;
}

function mountsOf({ record, files, security, initProgram }: SpecParts): Mount[] {
  const { config } = record;
  const rw = security.privileged ? "rw" : "ro";
  const shmSize = config.shmSizeBytes ?? 64 * 1024 * 1024;
  const hostIpc = config.ipcMode === "host";
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
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", rw] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", "relatime", rw],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    hostIpc
      ? bind("/dev/shm", "/dev/shm", false)
      : {
          destination: "/dev/shm",
          type: "tmpfs",
          source: "shm",
          options: ["nosuid", "noexec", "nodev", "mode=1777", `size=${shmSize}`],
        },
    bind(files.resolvConf, "/etc/resolv.conf", false),
    bind(files.hostname, "/etc/hostname", false),
    bind(files.hosts, "/etc/hosts", false),
    ...(config.init === true ? [bind(initProgram, "/sbin/docker-init", true)] : []),
  ];
  // Deeper ones later, so that none hides another.
  const asked = record.mounts.toSorted((a, b) => depth(a.target) - depth(b.target)).map(mountOf);
  return [...mounts.filter(({ destination }) => !asked.some((each) => each.destination === destination)), ...asked];
}

function depth(path: string): number {
  return path.split("/").filter((part) => part !== "").length;
}

function mountOf({ kind, source, target, options }: ContainerMount): Mount {
  if (kind === "tmpfs") return { destination: target, type: "tmpfs", source: "tmpfs", options };
  return { destination: target, type: "bind", source, options };
}

function bind(source: string, destination: string, readOnly: boolean): Mount {
  return { destination, type: "bind", source, options: ["rbind", "rprivate", readOnly ? "ro" : "rw"] };
}

interface Devices {
  readonly all: boolean;
  readonly nodes: readonly Record<string, unknown>[];
  readonly rules: readonly Record<string, unknown>[];
}

function devicesOf(asked: readonly string[], privileged: boolean): Devices {
  if (privileged) return { all: true, nodes: hostDevices(), rules: [] };
  const nodes: Record<string, unknown>[] = [];
  const rules: Record<string, unknown>[] = [];
  for (const text of asked) {
    const [source = "", second = "", third = ""] = text.split(":");
    const isAccess = /^[rwm]{1,3}$/.test(second) && third === "";
    const target = second === "" || isAccess ? source : second;
    const access = third || (isAccess ? second : "rwm");
    const node = nodeOf(source, target);
    if (node === undefined) {
      throw new BuildError(
        `error gathering device information while adding custom device ${JSON.stringify(source)}: no such file or directory`,
        {
          code: "DEVICE_MISSING",
          status: "InvalidArgument",
        },
      );
    }
    nodes.push(node);
    rules.push({ allow: true, type: node["type"], major: node["major"], minor: node["minor"], access });
  }
  return { all: false, nodes, rules };
}

function nodeOf(source: string, path: string): Record<string, unknown> | undefined {
  const stat = statSync(source, { throwIfNoEntry: false });
  if (stat === undefined || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined;
  const major = ((stat.rdev >> 8) & 0xfff) | 0;
  const minor = (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00);
  return {
    path,
    type: stat.isBlockDevice() ? "b" : "c",
    major,
    minor,
    fileMode: stat.mode & 0o777,
    uid: stat.uid,
    gid: stat.gid,
  };
}

/** Nodes of /dev; those that every container has, and what is no plain device there, are left out. */
function hostDevices(folder = "/dev", depthLeft = 3): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = [];
  const own = new Set([
    "pts",
    "shm",
    "fd",
    "mqueue",
    "console",
    "null",
    "zero",
    "full",
    "random",
    "urandom",
    "tty",
    "ptmx",
    "stdin",
    "stdout",
    "stderr",
    "core",
  ]);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (folder === "/dev" && own.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depthLeft > 0) found.push(...hostDevices(path, depthLeft - 1));
    else if (entry.isCharacterDevice() || entry.isBlockDevice())
      found.push(...[nodeOf(path, path)].filter((each) => each !== undefined));
  }
  return found;
}

const CPU_PERIOD_US = 100_000;

function resourcesOf(asked: ContainerResources, devices: Devices): Record<string, unknown> {
  const rules = devices.all
    ? [{ allow: true, access: "rwm" }]
    : [
        { allow: false, access: "rwm" },
        ...standardDevices.map(([major, minor]) => ({ allow: true, type: "c", major, minor, access: "rwm" })),
        { allow: true, type: "c", access: "m" },
        { allow: true, type: "b", access: "m" },
        ...devices.rules,
      ];
  const memory = compact({
    limit: asked.memoryBytes,
    // As docker: twice the memory where swap is not said.
    swap: asked.memorySwapBytes ?? (asked.memoryBytes === undefined ? undefined : asked.memoryBytes * 2),
    reservation: asked.memoryReservationBytes,
    swappiness: asked.memorySwappiness === -1 ? undefined : asked.memorySwappiness,
    disableOOMKiller: asked.oomKillDisable,
  });
  const cpu = compact({
    shares: asked.cpuShares,
    quota: asked.nanoCpus === undefined ? asked.cpuQuota : Math.round((asked.nanoCpus / 1e9) * CPU_PERIOD_US),
    period: asked.nanoCpus === undefined ? asked.cpuPeriod : CPU_PERIOD_US,
    cpus: asked.cpusetCpus,
    mems: asked.cpusetMems,
  });
  const pids = asked.pidsLimit === undefined || asked.pidsLimit === 0 ? undefined : { limit: asked.pidsLimit };
  const blockIO = compact({ weight: asked.blkioWeight });
  return { devices: rules, ...compact({ memory, cpu, pids, blockIO }) };
}

/** Without what is undefined; undefined itself when nothing is left. */
function compact(value: Record<string, unknown>): Record<string, unknown> | undefined {
  const entries = Object.entries(value).filter(([, each]) => each !== undefined && each !== "");
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** The domain name goes in as docker gives it: runtimes of 2023 do not know the field for it. */
function sysctlsOf({ domainname, sysctls, utsMode }: ContainerConfig): Record<string, string> {
  const own =
    domainname === undefined || domainname === "" || utsMode === "host" ? {} : { "kernel.domainname": domainname };
  return { ...own, ...sysctls };
}
