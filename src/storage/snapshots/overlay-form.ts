// The form every layer directory has: what overlayfs leaves in an upper directory. A character device 0:0 deletes a name of the
// layers below; a directory with an "opaque" attribute hides all they hold there.
// Spec: Documentation/filesystems/overlayfs.rst.

import { type BigIntStats, chmodSync, lchownSync, lstatSync, readdirSync } from "node:fs";
import { type ByteString, errnoOf, fsPath } from "../../base/index.ts";
import { getXattr, isPrivileged, listXattrs, makeNode, setTimes, setXattr, tryOwn } from "../../system/linux/index.ts";

export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;
export const S_IFSOCK = 0o140000;

/** Whether overlay's own attributes are `user.overlay.*` (mounted without privileges) instead of `trusted.overlay.*`. */
export function usesUserXattrs(): boolean {
  return !isPrivileged();
}

/** The kind bits of a mode. */
export function kindOf(stat: BigIntStats): number {
  return Number(stat.mode) & S_IFMT;
}

export function isWhiteout(stat: BigIntStats): boolean {
  return kindOf(stat) === S_IFCHR && stat.rdev === 0n;
}

export function isOpaque(dir: ByteString): boolean {
  const path = fsPath(dir);
  for (const name of ["trusted.overlay.opaque", "user.overlay.opaque"]) {
    // "x" marks directories that hold attribute whiteouts, which we never make.
    if (getXattr(path, name)?.toString("latin1") === "y") return true;
  }
  return false;
}

export function makeOpaque(dir: ByteString): void {
  setXattr(fsPath(dir), usesUserXattrs() ? "user.overlay.opaque" : "trusted.overlay.opaque", Buffer.from("y"));
}

export function makeWhiteout(path: ByteString): void {
  makeNode(fsPath(path), S_IFCHR, 0, 0);
}

/** Attributes that belong to the content: not overlay's own, nor what a security module of this host has put there. */
export function isContentXattr(name: string): boolean {
  return name === "security.capability" || (name.startsWith("user.") && !name.startsWith("user.overlay."));
}

/** A file's content attributes, sorted by name; symlinks have none. */
export function contentXattrs(path: string | Buffer): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const name of listXattrs(path).filter(isContentXattr).toSorted()) {
    const value = getXattr(path, name);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

/** lstat with nanoseconds; undefined when there is nothing (or no directory on the way). */
export function tryLstat(path: ByteString): BigIntStats | undefined {
  try {
    return lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Names in a directory as bytes, in byte order. */
export function readNames(dir: ByteString): ByteString[] {
  return readdirSync(fsPath(dir), "latin1").toSorted((one, two) => (one < two ? -1 : 1));
}

/** Gives `target` the owner, mode, attributes and times of a file of the same kind. */
export function copyMetadata(source: ByteString, stat: BigIntStats, target: ByteString): void {
  const path = fsPath(target);
  tryOwn(() => lchownSync(path, Number(stat.uid), Number(stat.gid)));
  if (kindOf(stat) !== S_IFLNK) {
    chmodSync(path, Number(stat.mode) & 0o7777);
    for (const [name, value] of contentXattrs(fsPath(source))) setXattr(path, name, value);
  }
  setTimes(path, stat.atimeNs, stat.mtimeNs);
}
