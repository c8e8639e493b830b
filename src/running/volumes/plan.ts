// What the mounts of a container become when it is made: volumes are made and filled from its image, missing folders of `-v` are made.

import { mkdirSync, readlinkSync, closeSync, constants, openSync, statSync } from "node:fs";
import { BuildError, errnoOf } from "../../base/index.ts";
import { O_PATH, openIn } from "../../system/linux/index.ts";
import { volumeDir } from "./folders.ts";
import { fillFromImage } from "./initial-content.ts";
import { addVolumeUser, boundDevice, createVolume } from "./records.ts";
import type { ContainerMount, MountAsker, MountRequest } from "./types.ts";

type Requested<Kind extends MountRequest["kind"]> = Extract<MountRequest, { kind: Kind }>;

/**
 * Makes what is missing and tells what to mount, in the order asked.
 * @throws MOUNT_SOURCE_MISSING, MOUNT_SUBPATH, MOUNT_OPTION, VOLUME_INVALID
 */
export async function planMounts(requests: readonly MountRequest[], asker: MountAsker): Promise<ContainerMount[]> {
  const mounts: ContainerMount[] = [];
  for (const request of requests) {
    switch (request.kind) {
      case "bind":
        mounts.push(bind(request));
        break;
      case "volume":
        mounts.push(await volume(request, asker));
        break;
      case "tmpfs":
        mounts.push(tmpfs(request));
        break;
    }
  }
  return mounts;
}

function bind({
  source,
  target,
  readOnly,
  createSource,
  propagation = "rprivate",
  nonRecursive,
}: Requested<"bind">): ContainerMount {
  if (statSync(source, { throwIfNoEntry: false }) === undefined) {
    if (!createSource) throw missing(source);
    try {
      mkdirSync(source, { recursive: true, mode: 0o755 });
    } catch (error) {
      throw new BuildError(`error while creating mount source path '${source}': ${errnoOf(error) ?? String(error)}`, {
        code: "MOUNT_SOURCE_MISSING",
        status: "FailedPrecondition",
        cause: error,
      });
    }
  }
  const access = readOnly ? "ro" : "rw";
  return {
    kind: "bind",
    source,
    target,
    readOnly,
    propagation,
    options: [nonRecursive === true ? "bind" : "rbind", propagation, access],
  };
}

function missing(source: string): BuildError {
  return new BuildError(`invalid mount config for type "bind": bind source path does not exist: ${source}`, {
    code: "MOUNT_SOURCE_MISSING",
    status: "InvalidArgument",
    hint: "make it first, or use -v, which makes missing folders",
  });
}

async function volume(
  request: Requested<"volume">,
  { root, containerId, imageRoot }: MountAsker,
): Promise<ContainerMount> {
  const { target, readOnly, subpath } = request;
  const record = createVolume(
    root,
    { name: request.name, labels: request.labels, options: request.driverOptions },
    containerId,
  );
  addVolumeUser(root, record.name, containerId);
  const dir = volumeDir(root, record.name);
  const device = boundDevice(record.options);
  const whole = device ?? record.mountpoint;
  // A folder of the machine is not ours to fill; and with a subpath it is not the image's folder that is mounted.
  if (!request.noCopy && device === undefined && subpath === undefined)
    await fillFromImage(dir, whole, imageRoot, target);
  const source = subpath === undefined || subpath === "" ? whole : resolveSubpath(whole, subpath);
  return {
    kind: "volume",
    source,
    target,
    readOnly,
    options: ["rbind", "rprivate", readOnly ? "ro" : "rw"],
    volumeName: record.name,
    anonymous: record.anonymous,
    ...(source === whole ? {} : { within: whole }),
  };
}

function resolveSubpath(whole: string, subpath: string): string {
  const refuse = (why: string, cause?: unknown) =>
    new BuildError(`cannot access path ${subpath} of the volume: ${why}`, {
      code: "MOUNT_SUBPATH",
      status: "InvalidArgument",
      cause,
    });
  if (subpath.startsWith("/") || subpath.split("/").includes(".."))
    throw refuse("subpath must be a relative path within the volume");
  const rootFd = openSync(whole, constants.O_RDONLY | constants.O_DIRECTORY);
  let fd: number | undefined;
  try {
    fd = openIn(rootFd, subpath, { flags: O_PATH, resolve: "beneath" });
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    throw refuse(
      errnoOf(error) === "ENOENT"
        ? "no such file or directory"
        : errnoOf(error) === "EXDEV"
          ? "it leads out of the volume"
          : String(errnoOf(error)),
      error,
    );
  } finally {
    if (fd !== undefined) closeSync(fd);
    closeSync(rootFd);
  }
}

/**
 * Looks again, right before a start, whether sources are still there and parts of volumes still inside of them: whoever has the volume may have
 * put a link in their way.
 * @throws MOUNT_SOURCE_MISSING, MOUNT_SUBPATH
 */
export function checkMountSources(mounts: readonly ContainerMount[]): void {
  for (const { kind, source, within } of mounts) {
    if (within !== undefined) {
      const resolved = resolveSubpath(within, source.slice(within.length).replace(/^\/+/, ""));
      if (resolved !== source)
        throw new BuildError(`${source} has become a link`, { code: "MOUNT_SUBPATH", status: "FailedPrecondition" });
    } else if (kind !== "tmpfs" && statSync(source, { throwIfNoEntry: false }) === undefined) throw missing(source);
  }
}

/** Options of mount(8) that a tmpfs may have; the first ones without a value. */
const PLAIN = [
  "defaults",
  "ro",
  "rw",
  "suid",
  "nosuid",
  "dev",
  "nodev",
  "exec",
  "noexec",
  "sync",
  "async",
  "atime",
  "noatime",
  "diratime",
  "nodiratime",
  "relatime",
  "norelatime",
  "strictatime",
  "nostrictatime",
];
const VALUED = ["size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "mpol"];

function tmpfs({ target, readOnly, sizeBytes, mode, options = "" }: Requested<"tmpfs">): ContainerMount {
  const given = options.split(",").filter((each) => each !== "");
  for (const option of given) {
    const at = option.indexOf("=");
    const [name, value] = at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
    if (value === undefined ? !PLAIN.includes(name) : !VALUED.includes(name) || value === "")
      throw new BuildError(`invalid tmpfs option ${JSON.stringify(name)}`, {
        code: "MOUNT_OPTION",
        status: "InvalidArgument",
      });
  }
  return {
    kind: "tmpfs",
    source: "",
    target,
    readOnly,
    // The runtime takes them in order: what the user gave wins.
    options: [
      "nosuid",
      "nodev",
      "noexec",
      ...(readOnly ? ["ro"] : []),
      ...(sizeBytes === undefined || sizeBytes === 0 ? [] : [`size=${sizeBytes}`]),
      ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
      ...given.filter((each) => each !== "defaults"),
    ],
  };
}
