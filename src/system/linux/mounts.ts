// Mounts of the calling process' namespace: bind, tmpfs, overlay with any number of layers, unmounting, and the table.
// mount(2) takes one page of options; longer overlay chains go through the file descriptor API, one `lowerdir+` a layer.
// Spec: mount(2), fsopen(2), Documentation/filesystems/overlayfs.rst, proc(5) mountinfo.

import { closeSync, readFileSync } from "node:fs";
import { BuildError, errnoOf } from "../../base/index.ts";
import { call, cstring, type Path, syscall } from "./ffi.ts";

/** Flags of mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  REC: 16384,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
} as const;

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const PAGE = 4096;
const FSOPEN_CLOEXEC = 1;
const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, CMD_CREATE: 6 } as const;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_RDONLY = 1;
const AT_FDCWD = -100;

/** mount(2). @throws like node's fs. */
export function mount(source: Path, target: Path, type: string, flags: number, data = ""): void {
  call("mount", [cstring(source), cstring(target), cstring(type), flags, cstring(data)], target);
}

/** Makes the tree at `source` visible at `target`, which must exist and be of the same kind. Read-only takes a second call. */
export function bindMount(source: Path, target: Path, options: { readOnly?: boolean; recursive?: boolean } = {}): void {
  const flags = MS.BIND | (options.recursive ? MS.REC : 0);
  mount(source, target, "", flags);
  if (!options.readOnly) return;
  try {
    mount("", target, "", MS.BIND | MS.REMOUNT | MS.RDONLY);
  } catch (error) {
    unmount(target);
    throw error;
  }
}

/** Unmounts without waiting for open files (lazily); true when something was mounted there. */
export function unmount(target: Path): boolean {
  try {
    call("umount2", [cstring(target), MNT_DETACH | UMOUNT_NOFOLLOW], target);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EINVAL" || errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

export interface OverlayMount {
  /** Lower directories, bottom first; at least one, and at least two without `upper`. */
  readonly lower: readonly string[];
  /** Directory of changes and overlay's own work directory, on one file system; without them the mount is read-only. */
  readonly upper?: string;
  readonly work?: string;
  /** Further options, as `name` or `name=value`. */
  readonly options?: readonly string[];
}

/** Mounts an overlay at `target`. @throws like node's fs; OVERLAY_TOO_MANY_LAYERS when the kernel cannot take the chain. */
export function mountOverlay(target: string, overlay: OverlayMount): void {
  const { upper, work } = overlay;
  const top = overlay.lower.toReversed();
  const parts = [`lowerdir=${top.map(escapeLower).join(":")}`];
  if (upper !== undefined && work !== undefined)
    parts.push(`upperdir=${escapeDir(upper)}`, `workdir=${escapeDir(work)}`);
  const data = [...parts, ...(overlay.options ?? [])].join(",");
  if (Buffer.byteLength(data) < PAGE - 1) {
    mount("overlay", target, "overlay", upper === undefined ? MS.RDONLY : 0, data);
    return;
  }
  try {
    mountOverlayByFd(target, top, overlay);
  } catch (error) {
    if (errnoOf(error) !== "ENOSYS" && errnoOf(error) !== "EINVAL") throw error;
    throw new BuildError(`the kernel cannot mount ${top.length} overlay layers at once`, {
      code: "OVERLAY_TOO_MANY_LAYERS",
      status: "Unimplemented",
      hint: "a Linux kernel of 6.7 or newer takes up to 500 layers",
      cause: error,
    });
  }
}

function mountOverlayByFd(target: string, top: readonly string[], { upper, work, options = [] }: OverlayMount): void {
  const fs = syscall("fsopen", [cstring("overlay"), FSOPEN_CLOEXEC], target);
  try {
    const set = (key: string, value: string): void => {
      syscall("fsconfig", [fs, FSCONFIG.SET_STRING, cstring(key), cstring(value), 0], target);
    };
    for (const dir of top) set("lowerdir+", dir);
    if (upper !== undefined && work !== undefined) {
      set("upperdir", upper);
      set("workdir", work);
    }
    for (const option of options) {
      const at = option.indexOf("=");
      if (at >= 0) set(option.slice(0, at), option.slice(at + 1));
      else syscall("fsconfig", [fs, FSCONFIG.SET_FLAG, cstring(option), null, 0], target);
    }
    syscall("fsconfig", [fs, FSCONFIG.CMD_CREATE, null, null, 0], target);
    const attributes = upper === undefined ? MOUNT_ATTR_RDONLY : 0;
    const mounted = syscall("fsmount", [fs, FSMOUNT_CLOEXEC, attributes], target);
    try {
      const empty = cstring("");
      syscall("move_mount", [mounted, empty, AT_FDCWD, cstring(target), MOVE_MOUNT_F_EMPTY_PATH], target);
    } finally {
      closeSync(mounted);
    }
  } finally {
    closeSync(fs);
  }
}

function escapeLower(dir: string): string {
  return dir.replace(/[\\:,]/g, "\\$&");
}

function escapeDir(dir: string): string {
  return dir.replace(/[\\,]/g, "\\$&");
}

/** One line of /proc/self/mountinfo. */
export interface MountInfo {
  readonly id: number;
  readonly parent: number;
  readonly device: string;
  readonly root: string;
  readonly mountPoint: string;
  readonly options: string;
  readonly type: string;
  readonly source: string;
  readonly superOptions: string;
}

/** The mounts that this process sees, in the order they were made. */
export function readMounts(path = "/proc/self/mountinfo"): MountInfo[] {
  return parseMounts(readFileSync(path, "utf8"));
}

/** Parses mountinfo text; lines that do not look like it are left out. */
export function parseMounts(text: string): MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split("\n")) {
    const [before = "", after = ""] = line.split(" - ", 2);
    const [id, parent, device, root, mountPoint, options] = before.split(" ").map(unescape);
    const [type, source, superOptions] = after.split(" ").map(unescape);
    if (!id || !parent || !device || !root || !mountPoint || !type) continue;
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      device,
      root,
      mountPoint,
      options: options ?? "",
      type,
      source: source ?? "",
      superOptions: superOptions ?? "",
    });
  }
  return mounts;
}

function unescape(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes = Buffer.from(text, "utf8").toString("latin1");
  const plain = bytes.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8) & 255),
  );
  return Buffer.from(plain, "latin1").toString("utf8");
}
