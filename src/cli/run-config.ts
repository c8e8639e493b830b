// From the flags of `run` to what a container is asked to be. Everything that can be refused is refused here, before anything is made.
// Counterpart: docker/cli cli/command/container/opts.go parse.

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type {
  ContainerConfig,
  ContainerResources,
  Healthcheck,
  RestartPolicy,
  Ulimit,
} from "../running/containers/index.ts";
import { parseExposed, parsePortSpec } from "../running/networks/index.ts";
import type { NetworkMode, NetworkRequest } from "../running/networks/index.ts";
import type { Invocation, Shell } from "./command.ts";
import type { FlagValues } from "./flags.ts";
import { UsageError } from "./flags.ts";
import { parseMountFields, parseTmpfsSpec, parseVolumeSpec } from "../running/volumes/index.ts";
import type { MountRequest, ParsedMount } from "../running/volumes/index.ts";
import { parseCsv } from "./csv.ts";
import { parseDuration, parseSize } from "./sizes.ts";
import { parseUlimit } from "./ulimits.ts";

/** @throws Error, with docker's words. */
export function containerConfig(
  { flags, shell }: Pick<Invocation, "flags" | "shell">,
  image: string,
  command: readonly string[],
  detached = false,
): ContainerConfig {
  const noted = ({ mount, notes }: ParsedMount): MountRequest => {
    for (const note of notes) shell.stderr.write(`WARNING: ${note}\n`);
    return mount;
  };
  const path = (name: string) => resolve(shell.cwd, name);
  const autoRemove = flags.bool("rm");
  const restart = restartOf(flags.string("restart"));
  if (autoRemove && restart.name !== "no") throw new UsageError("Conflicting options: --restart and --rm");
  const pull = flags.string("pull");
  if (!["missing", "always", "never"].includes(pull)) {
    throw new UsageError(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
  }
  if (flags.has("userns") && flags.string("userns") !== "host")
    throw new UsageError("--userns: only host is supported yet");
  const openStdin = flags.bool("interactive");
  return {
    name: optional(flags, "name"),
    image,
    platform: optional(flags, "platform"),
    pull: pull as "missing" | "always" | "never",
    command: command.length === 0 ? undefined : command,
    entrypoint: flags.has("entrypoint") ? [flags.string("entrypoint")] : undefined,
    env: environment(flags, shell.env, path),
    workingDir: optional(flags, "workdir"),
    user: optional(flags, "user"),
    groupAdd: flags.list("group-add"),
    hostname: optional(flags, "hostname"),
    domainname: optional(flags, "domainname"),
    labels: labels(flags, path),
    annotations: flags.list("annotation").length === 0 ? undefined : pairs(flags.list("annotation")),
    tty: flags.bool("tty"),
    openStdin,
    stdinOnce: openStdin && !detached,
    autoRemove,
    network: networkOf(flags),
    mounts: [
      ...flags.list("volume").map((text) => noted(parseVolumeSpec(text, shell.cwd))),
      ...flags.list("mount").map((text) =>
        noted(
          parseMountFields(
            invalidValue("mount", text, () => parseCsv(text)),
            shell.cwd,
          ),
        ),
      ),
      ...flags.list("tmpfs").map(parseTmpfsSpec),
    ],
    init: flags.bool("init"),
    readOnlyRoot: flags.bool("read-only"),
    privileged: flags.bool("privileged"),
    capAdd: flags.list("cap-add"),
    capDrop: flags.list("cap-drop"),
    securityOpt: flags.list("security-opt").map((text) => seccompPath(text, path)),
    resources: resourcesOf(flags),
    ulimits: flags.list("ulimit").map((text): Ulimit => parseUlimit(text)),
    sysctls: flags.list("sysctl").length === 0 ? undefined : pairs(flags.list("sysctl")),
    devices: flags.list("device"),
    shmSizeBytes: flags.number("shm-size"),
    pidMode: modeOf(flags, "pid", /^(host|private|container:.+)$/),
    ipcMode: modeOf(flags, "ipc", /^(host|none|private|shareable|container:.+)$/),
    utsMode: modeOf(flags, "uts", /^host$/),
    cgroupParent: optional(flags, "cgroup-parent"),
    oomScoreAdj: flags.number("oom-score-adj"),
    restart,
    healthcheck: healthcheckOf(flags),
    stopSignal: optional(flags, "stop-signal"),
    stopTimeoutSec: flags.number("stop-timeout"),
    log:
      flags.has("log-driver") || flags.has("log-opt")
        ? { driver: flags.string("log-driver") || "json-file", options: pairs(flags.list("log-opt")) }
        : undefined,
  };
}

function optional(flags: FlagValues, name: string): string | undefined {
  return flags.string(name) || undefined;
}

function invalidValue<T>(flag: string, text: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`invalid argument ${JSON.stringify(text)} for "--${flag}" flag: ${why}`);
  }
}

function modeOf(flags: FlagValues, name: string, pattern: RegExp): string | undefined {
  const mode = optional(flags, name);
  if (mode !== undefined && !pattern.test(mode)) throw new UsageError(`--${name}: invalid ${name.toUpperCase()} mode`);
  return mode;
}

/** `-e` and `--env-file` of a command line. */
export function environmentOf(flags: FlagValues, { env, cwd }: Pick<Shell, "env" | "cwd">): string[] {
  return environment(flags, env, (name) => resolve(cwd, name));
}

/** `NAME=value`, or `NAME` for what our own environment has; files first, as docker. */
function environment(
  flags: FlagValues,
  own: Readonly<Record<string, string | undefined>>,
  path: (name: string) => string,
): string[] {
  const fromFiles = flags.list("env-file").flatMap((file) => lines(path(file), file));
  return [...fromFiles, ...flags.list("env")].flatMap((entry) => {
    const equals = entry.indexOf("=");
    if (equals === 0 || entry === "") throw new UsageError(`invalid environment variable: ${entry}`);
    if (equals > 0) return [entry];
    const value = own[entry];
    return value === undefined ? [] : [`${entry}=${value}`];
  });
}

function labels(flags: FlagValues, path: (name: string) => string): Record<string, string> {
  return pairs([...flags.list("label-file").flatMap((file) => lines(path(file), file)), ...flags.list("label")]);
}

function lines(path: string, shown: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    throw new Error(`open ${shown}: no such file or directory`);
  }
  return text
    .replace(/^\ufeff/, "")
    .split("\n")
    .map((line) => line.replace(/\r$/, "").trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const name = line.split("=", 1)[0]!;
      if (name === "" || /\s/.test(name))
        throw new Error(`poorly formatted environment: variable '${name}' contains whitespaces`);
      return line;
    });
}

export function pairs(list: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    list.map((text) => {
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function seccompPath(text: string, path: (name: string) => string): string {
  const match = /^seccomp[=:](.*)$/s.exec(text);
  if (match === null || match[1] === "unconfined" || match[1] === "builtin") return text;
  const file = path(match[1]!);
  if (!existsSync(file))
    throw new Error(`opening seccomp profile (${match[1]}) failed: open ${match[1]}: no such file or directory`);
  return `seccomp=${file}`;
}

function networkOf(flags: FlagValues): NetworkRequest {
  return {
    mode: networkMode(flags),
    ports: flags.list("publish").flatMap(parsePortSpec),
    publishAll: flags.bool("publish-all"),
    exposed: flags.list("expose").flatMap(parseExposed),
    dns: flags.list("dns"),
    dnsSearch: flags.list("dns-search"),
    dnsOptions: flags.list("dns-option"),
    extraHosts: flags.list("add-host").map((text) => {
      const at = text.search(/[:=]/);
      if (at <= 0)
        throw new UsageError(
          `invalid argument ${JSON.stringify(text)} for "--add-host" flag: bad format for add-host: ${JSON.stringify(text)}`,
        );
      return `${text.slice(0, at)}:${text.slice(at + 1).replace(/^\[(.*)\]$/, "$1")}`;
    }),
  };
}

function networkMode(flags: FlagValues): NetworkMode {
  const given = flags.list("network");
  const names = given.length === 0 ? ["bridge"] : given;
  const [first = "bridge"] = names;
  const alone = (kind: string) => {
    if (names.length > 1)
      throw new UsageError(`conflicting options: cannot attach both user-defined and ${kind} network-modes`);
  };
  if (first === "host" || first === "none") {
    alone("non-user-defined");
    return { kind: first };
  }
  if (first.startsWith("container:")) {
    alone("container");
    const container = first.slice("container:".length);
    if (container === "") throw new UsageError("invalid container format container:<name|id>");
    return { kind: "container", container };
  }
  return {
    kind: "networks",
    endpoints: names.map((text, at) => {
      const options = text.includes("=") ? pairs(text.split(",")) : { name: text };
      const aliases = text.split(",").flatMap((each) => (each.startsWith("alias=") ? [each.slice(6)] : []));
      const own = at === 0;
      return {
        network: (options["name"] ?? text) === "default" ? "bridge" : (options["name"] ?? text),
        aliases: [...aliases, ...(own ? flags.list("network-alias") : [])],
        ipv4: options["ip"] ?? (own ? optional(flags, "ip") : undefined),
        ipv6: options["ip6"] ?? (own ? optional(flags, "ip6") : undefined),
        macAddress: options["mac-address"] ?? (own ? optional(flags, "mac-address") : undefined),
      };
    }),
  };
}

export function restartOf(text: string): RestartPolicy {
  const [name = "", count] = text.split(":");
  if (name === "" || name === "no") return { name: "no", maximumRetryCount: 0 };
  if (count !== undefined && !/^\d+$/.test(count)) throw new UsageError("maximum retry count must be an integer");
  if (name === "always" || name === "unless-stopped") {
    if (count !== undefined) throw new UsageError("maximum retry count can only be used with 'on-failure'");
    return { name, maximumRetryCount: 0 };
  }
  if (name !== "on-failure") throw new UsageError(`invalid restart policy: ${name}`);
  return { name, maximumRetryCount: Number(count ?? 0) };
}

function healthcheckOf(flags: FlagValues): Healthcheck | undefined {
  const names = ["cmd", "interval", "timeout", "start-period", "start-interval", "retries"].map(
    (name) => `health-${name}`,
  );
  if (flags.bool("no-healthcheck")) {
    if (names.some((name) => flags.has(name)))
      throw new UsageError("--no-healthcheck conflicts with --health-* options");
    return { test: ["NONE"] };
  }
  if (!names.some((name) => flags.has(name))) return undefined;
  const span = (name: string) => {
    if (!flags.has(name)) return undefined;
    const ms = invalidValue(name, flags.string(name), () => parseDuration(flags.string(name)));
    if (ms < 0) throw new UsageError(`--${name} cannot be negative`);
    return Math.round(ms * 1e6);
  };
  return {
    test: flags.string("health-cmd") === "" ? undefined : ["CMD-SHELL", flags.string("health-cmd")],
    intervalNs: span("health-interval"),
    timeoutNs: span("health-timeout"),
    startPeriodNs: span("health-start-period"),
    startIntervalNs: span("health-start-interval"),
    retries: flags.number("health-retries"),
  };
}

const MIN_MEMORY = 6 * 1024 * 1024;

function resourcesOf(flags: FlagValues): ContainerResources {
  const cpus = optional(flags, "cpus");
  if (cpus !== undefined && !/^(\d+\.?\d*|\.\d+)$/.test(cpus)) {
    throw new UsageError(
      `invalid argument ${JSON.stringify(cpus)} for "--cpus" flag: failed to parse ${cpus} as a rational number`,
    );
  }
  if (cpus !== undefined && (flags.has("cpu-period") || flags.has("cpu-quota")))
    throw new Error("Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set.");
  const memory = flags.number("memory") || undefined;
  if (memory !== undefined && memory < MIN_MEMORY) throw new Error("Minimum memory limit allowed is 6MB");
  const swap = flags.string("memory-swap");
  const memorySwapBytes =
    swap === "" || swap === "0"
      ? undefined
      : swap === "-1"
        ? -1
        : invalidValue("memory-swap", swap, () => parseSize(swap));
  if (memorySwapBytes !== undefined && memorySwapBytes > 0) {
    if (memory === undefined)
      throw new Error("You should always set the Memory limit when using Memoryswap limit, see usage");
    if (memorySwapBytes < memory)
      throw new Error("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  return {
    nanoCpus: cpus === undefined || Number(cpus) === 0 ? undefined : Math.round(Number(cpus) * 1e9),
    cpuShares: flags.number("cpu-shares"),
    cpuPeriod: flags.number("cpu-period"),
    cpuQuota: flags.number("cpu-quota"),
    cpusetCpus: optional(flags, "cpuset-cpus"),
    cpusetMems: optional(flags, "cpuset-mems"),
    memoryBytes: memory,
    memorySwapBytes,
    memoryReservationBytes: flags.number("memory-reservation"),
    memorySwappiness: flags.number("memory-swappiness"),
    oomKillDisable: flags.bool("oom-kill-disable") || undefined,
    pidsLimit: flags.number("pids-limit"),
    blkioWeight: flags.number("blkio-weight"),
  };
}
