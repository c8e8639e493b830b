// File calls that node lacks: resolving inside a root, device nodes, atomic exchange, kernel copies, nanosecond times, locks.
// Spec: openat2(2), mknod(2), renameat2(2), copy_file_range(2), ioctl_ficlone(2), utimensat(2), flock(2), syncfs(2).

import { constants } from "node:fs";
import { errnoOf } from "../../base/index.ts";
import { call, cstring, type Path, syscall } from "./ffi.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const O_CLOEXEC = 0o2000000;
/** open(2) flag: a handle for path operations only. */
export const O_PATH = 0o10000000;

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;

const scratch = Buffer.alloc(32);
const words = new BigUint64Array(scratch.buffer, scratch.byteOffset, 4);

export interface OpenInOptions {
  /** open(2) flags; O_CLOEXEC is added. Defaults to O_PATH | O_DIRECTORY. */
  readonly flags?: number;
  /** Mode of a created file. Defaults to 0. */
  readonly mode?: number;
  /** "root": `/` and `..` stop at the root, as in chroot (default); "beneath": leaving it is EXDEV. */
  readonly resolve?: "root" | "beneath";
}

/**
 * Opens `path` below the directory `rootFd`, with no symlink able to lead outside. The caller closes the descriptor.
 *
 * @throws ENOENT, EXDEV, ELOOP … as node's fs does.
 */
export function openIn(rootFd: number, path: Path, options: OpenInOptions = {}): number {
  const flags = (options.flags ?? O_PATH | constants.O_DIRECTORY) | O_CLOEXEC;
  words[0] = BigInt(flags);
  words[1] = BigInt(options.mode ?? 0);
  words[2] = BigInt((options.resolve === "beneath" ? RESOLVE_BENEATH : RESOLVE_IN_ROOT) | RESOLVE_NO_MAGICLINKS);
  const name = path.length === 0 ? "." : path;
  for (let attempt = 0; ; attempt++) {
    try {
      return syscall("openat2", [rootFd, cstring(name), scratch, 24], path);
    } catch (error) {
      // A rename somewhere in the tree makes the kernel give up with EAGAIN; it asks callers to try again.
      if (errnoOf(error) !== "EAGAIN" || attempt > 100) throw error;
    }
  }
}

/** Makes a device, fifo or whiteout (`mode` with the S_IF bits; device 0:0 with S_IFCHR). @throws EPERM without the right to. */
export function makeNode(path: Path, mode: number, major = 0, minor = 0): void {
  call("mknod", [cstring(path), mode, makeDevice(major, minor)], path);
}

/** Linux' dev_t of a device number pair. */
export function makeDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
}

/** The device number pair of a dev_t. */
export function splitDevice(device: bigint): { major: number; minor: number } {
  const major = ((device >> 32n) & 0xfffff000n) | ((device >> 8n) & 0xfffn);
  const minor = ((device >> 12n) & 0xffffff00n) | (device & 0xffn);
  return { major: Number(major), minor: Number(minor) };
}

/** Renames with "exchange" (both must exist, swapped at once) or "noreplace" (EEXIST when the target exists). */
export function renameWith(from: Path, to: Path, how: "exchange" | "noreplace"): void {
  const flag = how === "exchange" ? 2 : 1;
  syscall("renameat2", [AT_FDCWD, cstring(from), AT_FDCWD, cstring(to), flag], from, to);
}

/** Copies up to `length` bytes between two open files inside the kernel, from and to their own positions; 0 at the end. */
export function copyFileRange(from: number, to: number, length: number): number {
  return call("copy_file_range", [from, null, to, null, length, 0]);
}

/** Sets times in nanoseconds since 1970 without following a symlink. */
export function setTimes(path: Path, atimeNs: bigint, mtimeNs: bigint): void {
  fillTime(0, atimeNs);
  fillTime(2, mtimeNs);
  call("utimensat", [AT_FDCWD, cstring(path), scratch, AT_SYMLINK_NOFOLLOW], path);
}

/** Sets the times of an open file. */
export function setFdTimes(fd: number, atimeNs: bigint, mtimeNs: bigint): void {
  fillTime(0, atimeNs);
  fillTime(2, mtimeNs);
  call("futimens", [fd, scratch]);
}

function fillTime(at: number, timeNs: bigint): void {
  let [seconds, rest] = [timeNs / 1_000_000_000n, timeNs % 1_000_000_000n];
  if (rest < 0n) [seconds, rest] = [seconds - 1n, rest + 1_000_000_000n];
  words[at] = BigInt.asUintN(64, seconds);
  words[at + 1] = rest;
}

/** Takes or drops an advisory lock on an open file. Returns false when `wait` is false (default) and another holds it. */
export function lockFile(fd: number, kind: "shared" | "exclusive" | "none", wait = false): boolean {
  const operation = { shared: 1, exclusive: 2, none: 8 }[kind] | (wait ? 0 : 4);
  try {
    call("flock", [fd, operation]);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EAGAIN") return false;
    throw error;
  }
}

/** Writes everything of the file system that `fd` is on to its disk. */
export function syncFileSystem(fd: number): void {
  call("syncfs", [fd]);
}
