// A service as the container that is made of it: compose's words in docker's. Pure; what stands elsewhere (files of secrets, other
// containers' ids and volumes) is given. Counterpart: docker/compose pkg/compose/create.go.

import type { Hook, RunProject, RunService, ServiceMount } from "../../frontends/compose/index.ts";
import type { ContainerConfig, ContainerFile, Healthcheck, RestartPolicy } from "../containers/index.ts";
import type { EndpointRequest, NetworkMode, NetworkRequest, PortRequest } from "../networks/index.ts";
import type { MountRequest } from "../volumes/index.ts";
import { composeError } from "../../frontends/compose/index.ts";

/** What the service alone does not say. */
export interface Surroundings {
  readonly project: RunProject;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Files of secrets and configs that are not mounted. */
  readonly files: readonly ContainerFile[];
  /** Mounts besides the service's own: files of secrets, other containers' volumes. */
  readonly mounts: readonly MountRequest[];
  /** Volumes of the container that is replaced, by target. */
  readonly inherited: ReadonlyMap<string, string>;
  /** Id of the container that stands for a service or `container:` name. */
  readonly containerOf: (mode: string) => string;
}

/** The image of a service: the one it names, else the one that its build is given. */
export function imageOf(service: Pick<RunService, "name" | "image">, project: Pick<RunProject, "name">): string {
  return service.image === "" ? `${project.name}-${service.name}` : service.image;
}

export function containerConfig(service: RunService, around: Surroundings): ContainerConfig {
  const { project } = around;
  const { resources } = service;
  return {
    name: around.name,
    image: imageOf(service, project),
    platform: service.platform === "" ? undefined : service.platform,
    pull: "never",
    command: service.command,
    entrypoint: service.entrypoint,
    env: variables(service.environment),
    workingDir: orNone(service.workingDir),
    user: orNone(service.user),
    groupAdd: service.groupAdd,
    hostname: orNone(service.hostname),
    domainname: orNone(service.domainname),
    labels: around.labels,
    annotations: Object.fromEntries(service.annotations),
    tty: service.tty,
    openStdin: service.stdinOpen,
    stdinOnce: false,
    autoRemove: false,
    network: networkRequest(service, around),
    mounts: [...service.mounts.map((each) => mountRequest(each, service, around)), ...tmpfs(service), ...around.mounts],
    files: around.files,
    init: service.init,
    readOnlyRoot: service.readOnly,
    privileged: service.privileged,
    capAdd: service.capAdd,
    capDrop: service.capDrop,
    securityOpt: service.securityOpt,
    resources: {
      nanoCpus: resources.cpus === undefined ? undefined : Math.round(resources.cpus * 1e9),
      cpuShares: resources.cpuShares,
      cpuPeriod: resources.cpuPeriod,
      cpuQuota: resources.cpuQuota,
      cpusetCpus: orNone(resources.cpuset),
      memoryBytes: resources.memory,
      memorySwapBytes: resources.memorySwap,
      memoryReservationBytes: resources.memoryReservation,
      memorySwappiness: resources.memorySwappiness,
      oomKillDisable: resources.oomKillDisable,
      pidsLimit: resources.pids,
    },
    ulimits: [...service.ulimits].map(([name, { single, soft, hard }]) => ({
      name,
      soft: single === 0 ? soft : single,
      hard: single === 0 ? hard : single,
    })),
    sysctls: Object.fromEntries(service.sysctls),
    devices: service.devices.map((each) => `${each.source}:${each.target}:${each.permissions}`),
    shmSizeBytes: resources.shmSize,
    pidMode: sharedMode(service.pid, around),
    ipcMode: sharedMode(service.ipc, around),
    utsMode: orNone(service.uts),
    cgroupParent: orNone(service.cgroupParent),
    oomScoreAdj: resources.oomScoreAdj,
    restart: restartPolicy(service.restart),
    healthcheck: healthcheck(service),
    stopSignal: orNone(service.stopSignal),
    stopTimeoutSec: service.stopGraceMs === undefined ? undefined : Math.ceil(service.stopGraceMs / 1000),
    log: service.logging && {
      driver: service.logging.driver || "json-file",
      options: Object.fromEntries(service.logging.options),
    },
  };
}

/** `NAME=value`; a name alone takes an image's variable away. */
export function variables(environment: Hook["environment"]): string[] {
  return [...environment].map(([name, value]) => (value === null ? name : `${name}=${value}`));
}

function orNone(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** @throws COMPOSE_INVALID for a policy that docker does not have. */
export function restartPolicy(text: string): RestartPolicy | undefined {
  if (text === "") return undefined;
  const [name = "", count = "0", ...more] = text.split(":");
  const known = ["no", "on-failure", "always", "unless-stopped"] as const;
  const found = known.find((each) => each === name);
  if (found === undefined || more.length > 0 || !/^\d+$/.test(count) || (text.includes(":") && name !== "on-failure")) {
    throw composeError(`invalid restart policy: unknown policy '${text}'`);
  }
  return { name: found, maximumRetryCount: Number(count) };
}

function healthcheck({ healthcheck: check }: RunService): Healthcheck | undefined {
  if (check === undefined) return undefined;
  if (check.disable) return { test: ["NONE"] };
  const ns = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms * 1e6));
  return {
    test: check.test,
    intervalNs: ns(check.intervalMs),
    timeoutNs: ns(check.timeoutMs),
    startPeriodNs: ns(check.startPeriodMs),
    startIntervalNs: ns(check.startIntervalMs),
    retries: check.retries,
  };
}

function sharedMode(text: string, { containerOf }: Surroundings): string | undefined {
  if (text === "") return undefined;
  return text.startsWith("service:") || text.startsWith("container:") ? `container:${containerOf(text)}` : text;
}

function networkRequest(service: RunService, around: Surroundings): NetworkRequest {
  return {
    mode: networkMode(service, around),
    ports: service.ports.flatMap(portRequests),
    publishAll: false,
    exposed: service.expose.map((each) => (each.includes("/") ? each : `${each}/tcp`)),
    dns: service.dns,
    dnsSearch: service.dnsSearch,
    dnsOptions: service.dnsOptions,
    extraHosts: [...service.extraHosts].flatMap(([host, addresses]) => addresses.map((each) => `${host}:${each}`)),
  };
}

function networkMode(service: RunService, around: Surroundings): NetworkMode {
  const mode = service.networkMode;
  if (mode === "host" || mode === "none") return { kind: mode };
  if (mode.startsWith("service:") || mode.startsWith("container:")) {
    return { kind: "container", container: around.containerOf(mode) };
  }
  if (mode !== "") {
    const network = mode === "default" ? "bridge" : mode;
    return { kind: "networks", endpoints: [{ network, aliases: [] }] };
  }
  const byPriority = [...service.networks].toSorted(([a, one], [b, other]) => {
    return one.priority === other.priority ? Number(a > b) - Number(a < b) : other.priority - one.priority;
  });
  return { kind: "networks", endpoints: byPriority.map(([key]) => endpoint(service, key, around)) };
}

function endpoint(service: RunService, key: string, { project, name }: Surroundings): EndpointRequest {
  const said = service.networks.get(key)!;
  const links = [...project.services.values()].flatMap((other) =>
    other.networks.has(key)
      ? other.links
          .map((each) => each.split(":"))
          .filter(([linked]) => linked === service.name)
          .map(([linked, alias = linked]) => alias!)
      : [],
  );
  return {
    network: project.networks.get(key)!.name,
    aliases: [...new Set([name, service.name, ...said.aliases, ...links])],
    ipv4: orNone(said.ipv4),
    ipv6: orNone(said.ipv6),
    macAddress: orNone(said.macAddress || service.macAddress),
  };
}

/** One for a range to choose from is its first port: docker would try them in turn. */
function portRequests(port: RunService["ports"][number]): PortRequest[] {
  return [
    {
      hostIp: port.hostIp,
      hostPort: port.published,
      containerPort: port.target,
      protocol: port.protocol as PortRequest["protocol"],
    },
  ];
}

function mountRequest(mount: ServiceMount, service: RunService, { project, inherited }: Surroundings): MountRequest {
  const { target, readOnly } = mount;
  switch (mount.type) {
    case "bind":
      return {
        kind: "bind",
        target,
        readOnly,
        source: mount.source,
        createSource: mount.createHostPath,
        propagation: orNone(mount.propagation),
      };
    case "tmpfs":
      return { kind: "tmpfs", target, readOnly, sizeBytes: mount.tmpfsSize, mode: mount.tmpfsMode };
    case "volume":
      return {
        kind: "volume",
        target,
        readOnly,
        name: mount.source === "" ? (inherited.get(target) ?? "") : project.volumes.get(mount.source)!.name,
        noCopy: mount.noCopy,
        subpath: orNone(mount.subpath),
        labels: Object.fromEntries(mount.labels),
      };
    case "image":
    case "cluster":
    case "npipe":
      throw composeError(`service ${JSON.stringify(service.name)}: mounts of type ${mount.type} are not supported`);
  }
}

function tmpfs({ tmpfs: entries }: RunService): MountRequest[] {
  return entries.map((each) => {
    const at = each.indexOf(":");
    const target = at < 0 ? each : each.slice(0, at);
    return { kind: "tmpfs", target, readOnly: false, options: at < 0 ? undefined : each.slice(at + 1) };
  });
}
