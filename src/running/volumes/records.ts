// Named volumes of a state root: `ROOT/volumes/<name>/` with `config.json`, `_data`, and `users/<container id>`, an empty file for each container that
// was made with it. A user whose container is gone counts no more, so that nobody has to sign off.
// Counterpart: moby/moby volume/local, volume/service; whose words the errors have.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";
import { dropVolume, makeVolume, namesIn, volumeDir, volumeNames } from "./folders.ts";

export interface VolumeRecord {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Made for one container, which did not name it. */
  readonly anonymous: boolean;
  readonly createdMs: number;
  /** Where its files are. */
  readonly mountpoint: string;
}

export interface VolumeCreateRequest {
  /** Made up when absent. */
  readonly name?: string | undefined;
  /** Defaults to "local", the only one there is. */
  readonly driver?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** `type=none,o=bind,device=/path` makes it a name for a folder of this machine; other mounts are not yet supported. */
  readonly options?: Readonly<Record<string, string>> | undefined;
}

/** The volume of this name, made when there is none; `user` is the container that it is made for. @throws VOLUME_INVALID */
export function createVolume(
  root: string,
  { name = "", driver = "local", labels = {}, options = {} }: VolumeCreateRequest,
  user?: string,
): VolumeRecord {
  if (driver !== "" && driver !== "local")
    throw invalid(
      `create ${name}: error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`,
      "the only driver is local",
    );
  const anonymous = name === "";
  const chosen = anonymous ? randomBytes(32).toString("hex") : checkName(name);
  const there = tryReadVolume(root, chosen);
  if (there !== undefined) return there;
  checkOptions(chosen, options);
  const record = `${JSON.stringify({ labels, options, anonymous, createdMs: Date.now() })}\n`;
  // Another may make or remove the same meanwhile: whoever is told of it has it.
  for (;;) {
    makeVolume(root, chosen, record, user);
    const made = tryReadVolume(root, chosen);
    if (made !== undefined) return made;
  }
}

/** @throws VOLUME_NOT_FOUND */
export function inspectVolume(root: string, name: string): VolumeRecord {
  const found = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) ? tryReadVolume(root, name) : undefined;
  if (found !== undefined) return found;
  throw new BuildError(`get ${name}: no such volume`, {
    code: "VOLUME_NOT_FOUND",
    status: "NotFound",
    hint: "slipway volume ls lists what there is",
  });
}

/** All of them by name. */
export function listVolumes(root: string): VolumeRecord[] {
  return volumeNames(root)
    .toSorted()
    .flatMap((name) => tryReadVolume(root, name) ?? []);
}

/** Containers, running or not, that were made with the volume. */
export function volumeUsers(root: string, name: string): string[] {
  return namesIn(join(volumeDir(root, name), "users")).filter((id) => existsSync(join(root, "containers", id)));
}

/** Notes that a container has the volume. */
export function addVolumeUser(root: string, name: string, containerId: string): void {
  writeFileSync(join(volumeDir(root, name), "users", containerId), "");
}

/** @throws VOLUME_NOT_FOUND, VOLUME_IN_USE */
export function removeVolume(root: string, name: string): void {
  inspectVolume(root, name);
  const users = volumeUsers(root, name);
  if (users.length > 0)
    throw new BuildError(`remove ${name}: volume is in use - [${users.join(", ")}]`, {
      code: "VOLUME_IN_USE",
      status: "FailedPrecondition",
      hint: `remove ${users.length === 1 ? "that container" : "those containers"} first: slipway rm ${users.map((id) => id.slice(0, 12)).join(" ")}`,
    });
  dropVolume(root, name);
}

/** Removes what nobody has and `wanted` accepts. */
export async function pruneVolumes(
  root: string,
  wanted: (volume: VolumeRecord) => boolean,
): Promise<{ names: string[]; sizeBytes: number }> {
  const names: string[] = [];
  let sizeBytes = 0;
  for (const volume of listVolumes(root)) {
    if (!wanted(volume) || volumeUsers(root, volume.name).length > 0) continue;
    sizeBytes += await volumeSize(volume);
    dropVolume(root, volume.name);
    names.push(volume.name);
  }
  return { names, sizeBytes };
}

/** Bytes on disk of a volume's own files. */
export async function volumeSize({ mountpoint }: VolumeRecord): Promise<number> {
  const { directJobs } = await import("../../storage/snapshots/index.ts");
  return existsSync(mountpoint) ? directJobs().run<{ path: string }, number>("diskUsage", { path: mountpoint }) : 0;
}

function tryReadVolume(root: string, name: string): VolumeRecord | undefined {
  const dir = volumeDir(root, name);
  try {
    const record = JSON.parse(readFileSync(join(dir, "config.json"), "utf8")) as Omit<
      VolumeRecord,
      "name" | "mountpoint"
    >;
    return { ...record, name, mountpoint: join(dir, "_data") };
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function checkName(name: string): string {
  if (name.length === 1 && /^[a-zA-Z0-9]$/.test(name))
    throw invalid(`create ${name}: volume name is too short, names should be at least two alphanumeric characters`);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) || name.length > 255)
    throw invalid(
      `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  return name;
}

function checkOptions(name: string, options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options)) {
    if (!["type", "o", "device", "size"].includes(key))
      throw invalid(`create ${name}: invalid option: ${JSON.stringify(key)}`);
  }
  if (options["size"] !== undefined) throw invalid(`create ${name}: quota size requested but no quota support`);
  if (options["type"] === undefined && options["device"] === undefined && options["o"] === undefined) return;
  const device = boundDevice(options);
  if (device === undefined)
    throw invalid(
      `create ${name}: volumes of type ${options["type"] ?? "(none)"} are not yet supported`,
      "the type none with o=bind and an absolute device is",
    );
  if (!statSync(device, { throwIfNoEntry: false })?.isDirectory())
    throw invalid(`create ${name}: failed to mount local volume: mount ${device}: no such file or directory`);
}

/** The folder of this machine that a volume stands for (`type=none,o=bind,device=…`), if it does. */
export function boundDevice(options: Readonly<Record<string, string>>): string | undefined {
  const flags = (options["o"] ?? "").split(",");
  const device = options["device"] ?? "";
  return (flags.includes("bind") || flags.includes("rbind")) && device.startsWith("/") ? device : undefined;
}

function invalid(message: string, hint?: string): BuildError {
  return new BuildError(message, {
    code: "VOLUME_INVALID",
    status: "InvalidArgument",
    ...(hint === undefined ? {} : { hint }),
  });
}
