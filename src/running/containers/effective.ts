// What a container runs and how, from its config and the image's. Counterpart: moby/moby daemon/commit.go merge, create.go.

import { hostname as machineName } from "node:os";
import { posix } from "node:path";
import { BuildError } from "../../base/index.ts";
import type { ContainerConfig as ImageSettings } from "../../formats/oci/index.ts";
import type { MountRequest } from "../volumes/index.ts";
import type { Container, ContainerConfig, Healthcheck } from "./types.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface Effective {
  readonly path: string;
  readonly args: readonly string[];
  readonly effective: Container["effective"];
  readonly labels: Readonly<Record<string, string>>;
  /** Asked for, and the image's volumes that nothing else is mounted on. */
  readonly mounts: readonly MountRequest[];
}

/** @throws NO_COMMAND, WORKDIR_INVALID, VOLUME_INVALID. */
export function effectiveOf(id: string, config: ContainerConfig, image: ImageSettings): Effective {
  const entrypoint = config.entrypoint?.filter((word, at) => at > 0 || word !== "") ?? image.Entrypoint ?? [];
  const command = config.command ?? (config.entrypoint === undefined ? (image.Cmd ?? []) : []);
  const [path, ...args] = [...entrypoint, ...command];
  if (path === undefined)
    throw new BuildError("No command specified", { code: "NO_COMMAND", status: "InvalidArgument" });
  const workingDir = config.workingDir || image.WorkingDir || "/";
  if (!workingDir.startsWith("/")) {
    throw new BuildError(`the working directory '${workingDir}' is invalid, it needs to be an absolute path`, {
      code: "WORKDIR_INVALID",
      status: "InvalidArgument",
    });
  }
  const host = config.network.mode.kind === "host";
  const hostname = config.hostname || (host ? machineName() : id.slice(0, 12));
  return {
    path,
    args,
    effective: {
      env: environment([
        `PATH=${DEFAULT_PATH}`,
        `HOSTNAME=${hostname}`,
        ...(config.tty ? ["TERM=xterm"] : []),
        ...(image.Env ?? []),
        ...config.env,
      ]),
      workingDir: posix.normalize(workingDir),
      user: config.user || image.User || "",
      hostname,
      stopSignal: config.stopSignal || image.StopSignal || "SIGTERM",
      healthcheck: healthcheckOf(config.healthcheck, image.Healthcheck),
      exposed: [...new Set([...Object.keys(image.ExposedPorts ?? {}), ...config.network.exposed])],
    },
    labels: { ...image.Labels, ...config.labels },
    mounts: withImageVolumes(config.mounts, Object.keys(image.Volumes ?? {})),
  };
}

/** The last of each name counts, in the place of the first; a name without `=` takes the name away. */
function environment(list: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of list) {
    const equals = entry.indexOf("=");
    if (equals < 0) byName.delete(entry);
    else byName.set(entry.slice(0, equals), entry);
  }
  return [...byName.values()];
}

function healthcheckOf(own: Healthcheck | undefined, image: unknown): Healthcheck | undefined {
  const written = (image ?? {}) as Readonly<Record<string, unknown>>;
  const number = (name: string) => (typeof written[name] === "number" ? (written[name] as number) : undefined);
  const test = Array.isArray(written["Test"]) ? (written["Test"] as unknown[]).map(String) : [];
  const merged: Healthcheck = {
    test: own?.test !== undefined && own.test.length > 0 ? own.test : test,
    intervalNs: own?.intervalNs || number("Interval"),
    timeoutNs: own?.timeoutNs || number("Timeout"),
    startPeriodNs: own?.startPeriodNs || number("StartPeriod"),
    startIntervalNs: own?.startIntervalNs || number("StartInterval"),
    retries: own?.retries || number("Retries"),
  };
  return merged.test!.length === 0 || merged.test![0] === "NONE" ? undefined : merged;
}

function withImageVolumes(asked: readonly MountRequest[], volumes: readonly string[]): MountRequest[] {
  const targets = new Set<string>();
  const mounts: MountRequest[] = asked.map((mount) => {
    const target = cleanTarget(mount.target);
    if (targets.has(target)) {
      throw new BuildError(`Duplicate mount point: ${target}`, { code: "MOUNT_DUPLICATE", status: "InvalidArgument" });
    }
    targets.add(target);
    return { ...mount, target };
  });
  for (const volume of volumes) {
    const target = cleanTarget(volume.startsWith("/") ? volume : `/${volume}`);
    if (targets.has(target)) continue;
    targets.add(target);
    mounts.push({ kind: "volume", name: "", target, readOnly: false, noCopy: false });
  }
  return mounts;
}

function cleanTarget(target: string): string {
  const clean = posix.normalize(target).replace(/(.)\/+$/, "$1");
  if (!clean.startsWith("/")) {
    throw new BuildError(`invalid mount config: mount path must be absolute: ${target}`, {
      code: "MOUNT_TARGET",
      status: "InvalidArgument",
    });
  }
  if (clean === "/") {
    throw new BuildError("invalid specification: destination can't be '/'", {
      code: "MOUNT_TARGET",
      status: "InvalidArgument",
    });
  }
  return clean;
}
