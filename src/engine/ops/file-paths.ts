// Paths inside a root, resolved in one go: links are followed as if the root were `/`, what does not exist is kept as written.
// Nobody else changes the destination while a file op runs, so a resolved path stays resolved.
// Counterpart: containerd/continuity fs.RootPath; tonistiigi/fsutil copy/mkdir.go.

import * as fs from "node:fs";
import { type ByteString, byteString, errnoOf, fsPath } from "../../base/index.ts";
import { setTimes, tryOwn } from "../../system/linux/index.ts";
import { fileError, pathError } from "./file-errors.ts";

const MAX_LINKS = 255;
const S_IFMT = 0o170000;

/** The two questions that resolving asks of a tree. */
export interface LinkTree {
  stat(path: ByteString): fs.BigIntStats | undefined;
  readLink(path: ByteString): ByteString;
}

/** A path inside without links, "" for the root. A last link is followed unless `followLast` is false. */
export function resolveInside(tree: LinkTree, path: ByteString, followLast = true): ByteString {
  let rest = path;
  let current = "";
  let links = 0;
  while (rest !== "") {
    const slash = rest.indexOf("/");
    const part = slash < 0 ? rest : rest.slice(0, slash);
    rest = slash < 0 ? "" : rest.slice(slash + 1);
    if (part === "" || part === ".") continue;
    if (part === "..") {
      current = current.slice(0, Math.max(0, current.lastIndexOf("/")));
      continue;
    }
    const next = current === "" ? part : `${current}/${part}`;
    const stat = tree.stat(next);
    const last = /^\/*$/.test(rest);
    if (stat === undefined || !stat.isSymbolicLink() || (last && !followLast)) {
      current = next;
      continue;
    }
    if (++links > MAX_LINKS) throw fileError("too many links");
    const target = tree.readLink(next);
    rest = `${target}/${rest}`;
    if (target.startsWith("/")) current = "";
  }
  return current;
}

/** The writable tree that a file op changes. */
export class Destination implements LinkTree {
  readonly root: ByteString;

  constructor(root: string) {
    this.root = byteString(root);
  }

  at(path: ByteString): ByteString {
    return path === "" ? this.root : `${this.root}/${path}`;
  }

  stat(path: ByteString): fs.BigIntStats | undefined {
    try {
      return fs.lstatSync(fsPath(this.at(path)), { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      if (errnoOf(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }

  readLink(path: ByteString): ByteString {
    return fs.readlinkSync(fsPath(this.at(path)), "latin1");
  }
}

/** What new files and folders get. */
export interface NewMetadata {
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Access and modification time. */
  readonly timeNs: bigint | undefined;
}

/** Makes a resolved folder and its parents; those made are returned, outermost first. */
export function makeDirs(
  destination: Destination,
  path: ByteString,
  mode: number,
  metadata: NewMetadata,
): ByteString[] {
  const stat = destination.stat(path);
  if (stat?.isDirectory()) return [];
  if (stat !== undefined || path === "") throw pathError("mkdir", path, "ENOTDIR");
  const slash = path.lastIndexOf("/");
  const made = slash < 0 ? [] : makeDirs(destination, path.slice(0, slash), mode, metadata);
  const real = fsPath(destination.at(path));
  fs.mkdirSync(real, mode & 0o777);
  fs.chmodSync(real, mode & 0o777);
  setNewMetadata(destination.at(path), metadata);
  return [...made, path];
}

/** Gives a new file or folder its owner and time. */
export function setNewMetadata(real: ByteString, { owner, timeNs }: NewMetadata): void {
  if (owner !== undefined) tryOwn(() => fs.lchownSync(fsPath(real), owner.uid, owner.gid));
  if (timeNs !== undefined) setTimes(fsPath(real), timeNs, timeNs);
}

/** The kind bits of a mode. */
export function kindBits(stat: fs.BigIntStats): number {
  return Number(stat.mode) & S_IFMT;
}
