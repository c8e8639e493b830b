// Reads one service of a normalised document as containers are made of it. Counterpart: compose-go types/types.go ServiceConfig.

import { readBuild } from "./build.ts";
import type { Ulimit } from "./build.ts";
import { composeError } from "./error.ts";
import type { Fields } from "./fields.ts";
import { hostsOf } from "./read.ts";
import type {
  Attachment,
  Dependency,
  DependencyCondition,
  Healthcheck,
  Hook,
  PublishedPort,
  Resources,
  RunService,
  ServiceFile,
  ServiceMount,
  WatchRule,
} from "./run-model.ts";
import { goText, isMap } from "./value.ts";
import type { ComposeValue } from "./value.ts";
import { shellWords } from "./words.ts";

/** The service; its environment and labels without what files add. */
export function readRunService(name: string, fields: Fields): RunService {
  const deploy = fields.at("deploy");
  const build = fields.map.get("build");
  return {
    name,
    image: fields.text("image"),
    build: isMap(build) ? readBuild(build, `${fields.place}.build`, fields.problems) : undefined,
    platform: fields.text("platform"),
    pullPolicy: fields.text("pull_policy"),
    profiles: fields.texts("profiles"),
    containerName: fields.text("container_name"),
    command: commandOf(fields, "command"),
    entrypoint: commandOf(fields, "entrypoint"),
    environment: fields.variables("environment"),
    labels: fields.labels("labels"),
    annotations: fields.labels("annotations"),
    dependsOn: dependenciesOf(fields),
    healthcheck: healthcheckOf(fields),
    ports: fields.each("ports").map(portOf),
    expose: fields.texts("expose"),
    mounts: fields.each("volumes").map(mountOf),
    tmpfs: fields.texts("tmpfs"),
    volumesFrom: fields.texts("volumes_from"),
    networkMode: fields.text("network_mode"),
    networks: new Map(fields.entries("networks").map(([key, each]) => [key, attachmentOf(each)])),
    links: fields.texts("links"),
    secrets: fields.each("secrets").map(fileOf),
    configs: fields.each("configs").map(fileOf),
    scale: fields.number("scale") ?? deploy.number("replicas") ?? 1,
    resources: resourcesOf(fields, deploy),
    init: fields.flag("init"),
    restart: restartOf(fields, deploy),
    stopGraceMs: fields.durationMs("stop_grace_period"),
    stopSignal: fields.text("stop_signal"),
    ulimits: new Map(ulimitsOf(fields)),
    capAdd: fields.texts("cap_add"),
    capDrop: fields.texts("cap_drop"),
    securityOpt: fields.texts("security_opt"),
    privileged: fields.flag("privileged") ?? false,
    readOnly: fields.flag("read_only") ?? false,
    user: fields.text("user"),
    groupAdd: fields.texts("group_add"),
    workingDir: fields.text("working_dir"),
    hostname: fields.text("hostname"),
    domainname: fields.text("domainname"),
    macAddress: fields.text("mac_address"),
    dns: fields.texts("dns"),
    dnsOptions: fields.texts("dns_opt"),
    dnsSearch: fields.texts("dns_search"),
    extraHosts: fields.read("extra_hosts", new Map<string, string[]>(), hostsOf),
    logging: fields.has("logging")
      ? { driver: fields.at("logging").text("driver"), options: optionsOf(fields.at("logging"), "options") }
      : undefined,
    pid: fields.text("pid"),
    ipc: fields.text("ipc"),
    uts: fields.text("uts"),
    sysctls: fields.labels("sysctls"),
    devices: fields.each("devices").map((each) => ({
      source: each.text("source"),
      target: each.text("target") || each.text("source"),
      permissions: each.text("permissions") || "rwm",
    })),
    cgroupParent: fields.text("cgroup_parent"),
    runtime: fields.text("runtime"),
    tty: fields.flag("tty") ?? false,
    stdinOpen: fields.flag("stdin_open") ?? false,
    attach: fields.flag("attach") ?? true,
    postStart: fields.each("post_start").map(hookOf),
    preStop: fields.each("pre_stop").map(hookOf),
    watch: fields.at("develop").each("watch").map(watchOf),
  };
}

/** Options of a driver; numbers as texts. */
export function optionsOf(fields: Fields, key: string): Map<string, string> {
  return fields.read(key, new Map<string, string>(), (value) =>
    isMap(value) ? new Map([...value].map(([name, each]) => [name, each === null ? "" : goText(each)])) : new Map(),
  );
}

function commandOf(fields: Fields, key: string): string[] | undefined {
  return fields.read<string[] | undefined>(key, undefined, (value) =>
    Array.isArray(value) ? value.map(goText) : shellWords(goText(value)),
  );
}

function dependenciesOf(fields: Fields): Map<string, Dependency> {
  const conditions = ["service_started", "service_healthy", "service_completed_successfully"];
  return new Map(
    fields.entries("depends_on").map(([name, each]) => {
      const condition = each.text("condition") || "service_started";
      const known = fields.problems.at(each.place, "service_started", () => {
        if (conditions.includes(condition)) return condition;
        throw composeError(`condition must be one of ${conditions.join(", ")}`);
      });
      return [
        name,
        {
          condition: known as DependencyCondition,
          required: each.flag("required") ?? true,
          restart: each.flag("restart") ?? false,
        },
      ];
    }),
  );
}

function healthcheckOf(fields: Fields): Healthcheck | undefined {
  if (!fields.has("healthcheck")) return undefined;
  const check = fields.at("healthcheck");
  const test = check.read<string[] | undefined>("test", undefined, (value) =>
    Array.isArray(value) ? value.map(goText) : ["CMD-SHELL", goText(value)],
  );
  return {
    disable: (check.flag("disable") ?? false) || test?.[0] === "NONE",
    test,
    intervalMs: check.durationMs("interval"),
    timeoutMs: check.durationMs("timeout"),
    startPeriodMs: check.durationMs("start_period"),
    startIntervalMs: check.durationMs("start_interval"),
    retries: check.number("retries"),
  };
}

function portOf(port: Fields): PublishedPort {
  const target = port.number("target") ?? 0;
  port.problems.at(port.place, undefined, () => {
    if (!Number.isInteger(target) || target < 1 || target > 65535)
      throw composeError(`invalid containerPort: ${target}`);
  });
  return {
    target,
    published: port.text("published"),
    hostIp: port.text("host_ip"),
    protocol: port.text("protocol") || "tcp",
  };
}

function mountOf(mount: Fields): ServiceMount {
  const bind = mount.at("bind");
  return {
    type: mount.text("type") as ServiceMount["type"],
    source: mount.text("source"),
    target: mount.text("target"),
    readOnly: mount.flag("read_only") ?? false,
    propagation: bind.text("propagation"),
    createHostPath: mount.has("bind") && (bind.flag("create_host_path") ?? true),
    noCopy: mount.at("volume").flag("nocopy") ?? false,
    subpath: mount.at("volume").text("subpath") || mount.at("image").text("subpath"),
    labels: mount.at("volume").labels("labels"),
    tmpfsSize: mount.at("tmpfs").bytes("size"),
    tmpfsMode: modeOf(mount.at("tmpfs")),
  };
}

/** A mode is octal whether it is written as a number or as a text. */
function modeOf(fields: Fields): number | undefined {
  return fields.read<number | undefined>("mode", undefined, (value: ComposeValue) => {
    if (typeof value !== "string") return Number(value);
    if (!/^0?o?[0-7]{1,6}$/.test(value)) throw composeError(`invalid mode ${JSON.stringify(value)}`);
    return Number.parseInt(value.replace("o", ""), 8);
  });
}

function attachmentOf(each: Fields): Attachment {
  return {
    aliases: each.texts("aliases"),
    ipv4: each.text("ipv4_address"),
    ipv6: each.text("ipv6_address"),
    macAddress: each.text("mac_address"),
    priority: each.number("priority") ?? 0,
  };
}

function fileOf(each: Fields): ServiceFile {
  return {
    source: each.text("source"),
    target: each.text("target"),
    uid: each.text("uid"),
    gid: each.text("gid"),
    mode: modeOf(each),
  };
}

function resourcesOf(fields: Fields, deploy: Fields): Resources {
  const limits = deploy.at("resources").at("limits");
  const reserved = deploy.at("resources").at("reservations");
  return {
    cpus: fields.number("cpus") ?? limits.number("cpus"),
    cpuShares: fields.number("cpu_shares"),
    cpuQuota: fields.number("cpu_quota"),
    cpuPeriod: fields.number("cpu_period"),
    cpuset: fields.text("cpuset"),
    memory: fields.bytes("mem_limit") ?? limits.bytes("memory"),
    memoryReservation: fields.bytes("mem_reservation") ?? reserved.bytes("memory"),
    memorySwap: fields.bytes("memswap_limit"),
    memorySwappiness: fields.number("mem_swappiness"),
    pids: fields.number("pids_limit") ?? limits.number("pids"),
    oomKillDisable: fields.flag("oom_kill_disable") ?? false,
    oomScoreAdj: fields.number("oom_score_adj"),
    shmSize: fields.bytes("shm_size"),
  };
}

function restartOf(fields: Fields, deploy: Fields): string {
  if (fields.has("restart")) return fields.text("restart");
  if (!deploy.has("restart_policy")) return "";
  const policy = deploy.at("restart_policy");
  const attempts = policy.number("max_attempts");
  switch (policy.text("condition")) {
    case "none":
      return "no";
    case "on-failure":
      return attempts === undefined ? "on-failure" : `on-failure:${attempts}`;
    default:
      return "always";
  }
}

function ulimitsOf(fields: Fields): [string, Ulimit][] {
  const value = fields.map.get("ulimits");
  if (!isMap(value)) return [];
  return [...value].map(([name, each]) => {
    const at = (key: string) => (isMap(each) ? Number(each.get(key) ?? 0) : 0);
    return [name, { single: isMap(each) ? 0 : Number(each), soft: at("soft"), hard: at("hard") }];
  });
}

function hookOf(hook: Fields): Hook {
  return {
    command: commandOf(hook, "command") ?? [],
    user: hook.text("user"),
    privileged: hook.flag("privileged") ?? false,
    workingDir: hook.text("working_dir"),
    environment: hook.variables("environment"),
  };
}

function watchOf(rule: Fields): WatchRule {
  return {
    path: rule.text("path"),
    action: rule.text("action") as WatchRule["action"],
    target: rule.text("target"),
    ignore: rule.texts("ignore"),
    include: rule.texts("include"),
    exec: rule.has("exec") ? hookOf(rule.at("exec")) : undefined,
    initialSync: rule.flag("initial_sync") ?? false,
  };
}
