// Looking at the files of a tree: names as bytes in byte order, no link followed, sockets left out, hard links known by inode.

import * as fs from "node:fs";
import { type ByteString, errnoOf, fsPath } from "../../base/index.ts";
import type { EntryType } from "../../formats/archive/index.ts";
import { getXattr, listXattrs, splitDevice } from "../../system/linux/index.ts";

const S_IFMT = 0o170000;
const types = new Map<number, EntryType>([
  [0o100000, "file"],
  [0o040000, "dir"],
  [0o120000, "symlink"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o010000, "fifo"],
]);

/** Names in a directory. */
export function readNames(dir: ByteString): ByteString[] {
  return fs.readdirSync(fsPath(dir), "latin1").toSorted((one, two) => (one < two ? -1 : 1));
}

/** What is at a path; undefined when there is nothing. */
export function tryLstat(path: ByteString): fs.BigIntStats | undefined {
  try {
    return fs.lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** The kind of a file; undefined for a socket, which means nothing without the process that listens. */
export function typeOf(stat: fs.BigIntStats): EntryType | undefined {
  return types.get(Number(stat.mode) & S_IFMT);
}

/** Device numbers; zero for what is no device. */
export function deviceOf(stat: fs.BigIntStats): { major: number; minor: number } {
  const type = typeOf(stat);
  return type === "char" || type === "block" ? splitDevice(stat.rdev) : { major: 0, minor: 0 };
}

/** Attributes that belong to the content, sorted by name: not overlay's own, nor what this host's security module has put there. */
export function contentXattrs(path: ByteString): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  const real = fsPath(path);
  for (const name of listXattrs(real).toSorted()) {
    if (name !== "security.capability" && (!name.startsWith("user.") || name.startsWith("user.overlay."))) continue;
    const value = getXattr(real, name);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

/** Remembers the first path of each file with several names. */
export class HardLinks {
  readonly #first = new Map<bigint, ByteString>();

  /** The path that the file has already been seen under; undefined, and `path` remembered, when it is new. */
  firstOf(stat: fs.BigIntStats, path: ByteString): ByteString | undefined {
    if (stat.nlink < 2n || typeOf(stat) === "dir") return undefined;
    const first = this.#first.get(stat.ino);
    if (first === undefined) this.#first.set(stat.ino, path);
    return first;
  }
}
