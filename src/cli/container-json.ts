// A container as `docker inspect` shows it: the fields of docker's API that people read. What has no meaning here is left out.
// Counterpart: moby/moby api/types/container ContainerJSON.

import type { Container, Healthcheck } from "../running/containers/index.ts";
import type { Endpoint } from "../running/networks/index.ts";
import { shortName } from "./images.ts";

export function containerJson(container: Container): Record<string, unknown> {
  const { config, state, effective, image } = container;
  const { resources = {} } = config;
  const runs = state.status === "running" || state.status === "paused" || state.status === "restarting";
  const { mode } = config.network;
  return {
    Id: container.id,
    Created: new Date(container.createdMs).toISOString(),
    Path: container.path,
    Args: container.args,
    State: {
      Status: state.status,
      Running: runs,
      Paused: state.status === "paused",
      Restarting: state.status === "restarting",
      OOMKilled: state.oomKilled,
      Dead: state.status === "dead",
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
      ...(state.health === undefined
        ? {}
        : {
            Health: {
              Status: state.health.status,
              FailingStreak: state.health.failingStreak,
              Log: state.health.log.map(({ start, end, exitCode, output }) => ({
                Start: start,
                End: end,
                ExitCode: exitCode,
                Output: output,
              })),
            },
          }),
    },
    Image: image.configDigest,
    ImageDigest: image.digest,
    ResolvConfPath: `${container.dir}/bundle/resolv.conf`,
    HostnamePath: `${container.dir}/bundle/hostname`,
    HostsPath: `${container.dir}/bundle/hosts`,
    LogPath: config.log?.driver === "none" ? "" : `${container.dir}/log`,
    Name: `/${container.name}`,
    RestartCount: state.restartCount,
    Driver: "overlay",
    Platform: image.platform.split("/")[0],
    HostConfig: {
      Binds: container.mounts
        .filter(({ kind }) => kind === "bind")
        .map(({ source, target, readOnly }) => `${source}:${target}${readOnly ? ":ro" : ""}`),
      LogConfig: { Type: config.log?.driver ?? "json-file", Config: config.log?.options ?? {} },
      NetworkMode:
        mode.kind === "networks"
          ? (mode.endpoints[0]?.network ?? "bridge")
          : mode.kind === "container"
            ? `container:${mode.container}`
            : mode.kind,
      PortBindings: Object.fromEntries(
        config.network.ports.map(({ hostIp, hostPort, containerPort, protocol }) => [
          `${containerPort}/${protocol}`,
          [{ HostIp: hostIp, HostPort: hostPort }],
        ]),
      ),
      RestartPolicy: { Name: config.restart?.name ?? "no", MaximumRetryCount: config.restart?.maximumRetryCount ?? 0 },
      AutoRemove: config.autoRemove,
      CapAdd: config.capAdd ?? [],
      CapDrop: config.capDrop ?? [],
      Dns: config.network.dns,
      DnsOptions: config.network.dnsOptions,
      DnsSearch: config.network.dnsSearch,
      ExtraHosts: config.network.extraHosts,
      GroupAdd: config.groupAdd ?? [],
      IpcMode: config.ipcMode ?? "private",
      PidMode: config.pidMode ?? "",
      UTSMode: config.utsMode ?? "",
      Privileged: config.privileged ?? false,
      PublishAllPorts: config.network.publishAll,
      ReadonlyRootfs: config.readOnlyRoot ?? false,
      SecurityOpt: config.securityOpt ?? [],
      Tmpfs: Object.fromEntries(
        container.mounts
          .filter(({ kind }) => kind === "tmpfs")
          .map(({ target, options }) => [target, options.join(",")]),
      ),
      ShmSize: config.shmSizeBytes ?? 64 * 1024 * 1024,
      Sysctls: config.sysctls ?? {},
      Init: config.init ?? false,
      NanoCpus: resources.nanoCpus ?? 0,
      CpuShares: resources.cpuShares ?? 0,
      CpuPeriod: resources.cpuPeriod ?? 0,
      CpuQuota: resources.cpuQuota ?? 0,
      CpusetCpus: resources.cpusetCpus ?? "",
      CpusetMems: resources.cpusetMems ?? "",
      Memory: resources.memoryBytes ?? 0,
      MemoryReservation: resources.memoryReservationBytes ?? 0,
      MemorySwap: resources.memorySwapBytes ?? (resources.memoryBytes ?? 0) * 2,
      PidsLimit: resources.pidsLimit ?? null,
      OomScoreAdj: config.oomScoreAdj ?? 0,
      CgroupParent: config.cgroupParent ?? "",
      Devices: (config.devices ?? []).map((text) => {
        const [host = "", inside = host, access = "rwm"] = text.split(":");
        return { PathOnHost: host, PathInContainer: inside, CgroupPermissions: access };
      }),
      Ulimits: (config.ulimits ?? []).map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    },
    GraphDriver: {
      Name: "overlay",
      Data: { UpperDir: `${container.dir}/upper`, MergedDir: `${container.dir}/rootfs` },
    },
    Mounts: container.mounts.map((mount) => ({
      Type: mount.kind,
      ...(mount.volumeName === undefined ? {} : { Name: mount.volumeName }),
      Source: mount.source,
      Destination: mount.target,
      ...(mount.kind === "volume" ? { Driver: "local" } : {}),
      Mode: mount.readOnly ? "ro" : "",
      RW: !mount.readOnly,
      Propagation: mount.kind === "bind" ? (mount.propagation ?? "rprivate") : "",
    })),
    Config: {
      Hostname: effective.hostname,
      Domainname: config.domainname ?? "",
      User: effective.user,
      Tty: config.tty,
      OpenStdin: config.openStdin,
      StdinOnce: config.stdinOnce ?? false,
      ExposedPorts: Object.fromEntries(effective.exposed.map((port) => [port, {}])),
      Env: effective.env,
      Cmd: config.command ?? container.args,
      Image: shortName(image.reference),
      WorkingDir: effective.workingDir,
      Entrypoint: config.entrypoint ?? null,
      Labels: container.labels,
      StopSignal: effective.stopSignal,
      ...(config.stopTimeoutSec === undefined ? {} : { StopTimeout: config.stopTimeoutSec }),
      ...(effective.healthcheck === undefined ? {} : { Healthcheck: healthJson(effective.healthcheck) }),
    },
    NetworkSettings: networkJson(container, runs),
  };
}

function healthJson({ test, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries }: Healthcheck) {
  const all = {
    Test: test,
    Interval: intervalNs,
    Timeout: timeoutNs,
    StartPeriod: startPeriodNs,
    StartInterval: startIntervalNs,
    Retries: retries,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function networkJson({ ports, endpoints, effective, config }: Container, runs: boolean): Record<string, unknown> {
  const byPort: Record<string, unknown[] | null> = {};
  if (runs) {
    for (const port of effective.exposed) byPort[port] = null;
    for (const { hostIp, hostPort, containerPort, protocol } of ports) {
      const key = `${containerPort}/${protocol}`;
      byPort[key] = [...(byPort[key] ?? []), { HostIp: hostIp || "0.0.0.0", HostPort: String(hostPort) }];
    }
  }
  const first = runs ? endpoints[0] : undefined;
  const { mode } = config.network;
  const asked = mode.kind === "networks" ? mode.endpoints : [];
  const known = new Map<string, Record<string, unknown>>(
    asked.map(({ network, aliases }) => [network, endpointJson(undefined, aliases)]),
  );
  for (const endpoint of endpoints)
    known.set(endpoint.networkName, endpointJson(runs ? endpoint : undefined, endpoint.aliases));
  if (mode.kind === "host" || mode.kind === "none") known.set(mode.kind, endpointJson(undefined, []));
  return {
    Ports: byPort,
    Gateway: first?.gateway ?? "",
    IPAddress: first?.ipAddress ?? "",
    IPPrefixLen: first?.prefixLength ?? 0,
    MacAddress: first?.macAddress ?? "",
    Networks: Object.fromEntries(known),
  };
}

function endpointJson(endpoint: Endpoint | undefined, aliases: readonly string[]): Record<string, unknown> {
  return {
    Aliases: aliases,
    NetworkID: endpoint?.networkId ?? "",
    Gateway: endpoint?.gateway ?? "",
    IPAddress: endpoint?.ipAddress ?? "",
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    MacAddress: endpoint?.macAddress ?? "",
  };
}
