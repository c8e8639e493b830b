// What changed in a folder since its state was noted, as a layer directory made of hard links: nothing is copied and no file is read.
// Cache mounts are exported so. Plain functions, also run on worker threads.

import * as fs from "node:fs";
import { dirname } from "node:path";
import { type ByteString, byteString, fsPath } from "../../base/index.ts";
import { copyMetadata, kindOf, makeWhiteout, readNames, S_IFDIR, S_IFLNK, S_IFREG, tryLstat } from "./overlay-form.ts";

/** What tells that a file is the same: kind, mode, owner, size, mtime, inode; by path, bytes as latin1. */
export type TreeState = Readonly<Record<string, string>>;

export interface ListFolderInput {
  readonly root: string;
}

export interface StageChangesInput {
  readonly root: string;
  readonly before: TreeState;
  /** Empty folder on the same file system. */
  readonly stage: string;
}

export interface StagedChanges {
  readonly state: TreeState;
  readonly changes: number;
}

/** The state of every file below a folder. */
export function listFolder({ root }: ListFolderInput): TreeState {
  const state: Record<string, string> = {};
  walk(byteString(root), "", (path, stat) => void (state[path] = stateOf(stat)));
  return state;
}

/** Fills `stage` with what differs from `before`. */
export function stageChanges({ root, before, stage }: StageChangesInput): StagedChanges {
  const state: Record<string, string> = {};
  const [from, to] = [byteString(root), byteString(stage)];
  const made = new Set<ByteString>([""]);
  let changes = 0;
  const makeDir = (path: ByteString): void => {
    if (made.has(path)) return;
    const parent = byteParent(path);
    makeDir(parent);
    made.add(path);
    fs.mkdirSync(fsPath(`${to}/${path}`), { mode: 0o755 });
  };
  const dirs: ByteString[] = [];
  walk(from, "", (path, stat) => {
    const now = stateOf(stat);
    state[path] = now;
    if (before[path] === now) return;
    changes++;
    if (kindOf(stat) === S_IFDIR) {
      makeDir(path);
      return;
    }
    makeDir(byteParent(path));
    const [source, target] = [`${from}/${path}`, `${to}/${path}`];
    if (kindOf(stat) === S_IFREG) fs.linkSync(fsPath(source), fsPath(target));
    else if (kindOf(stat) === S_IFLNK) {
      fs.symlinkSync(fs.readlinkSync(fsPath(source), "buffer"), fsPath(target));
      copyMetadata(source, stat, target);
    }
  });
  for (const path of Object.keys(before)) {
    if (state[path] !== undefined) continue;
    const parent = byteParent(path);
    // A folder that went away takes all below it along.
    if (parent !== "" && state[parent] === undefined) continue;
    if (parent !== "" && kindOf(tryLstat(`${from}/${parent}`)!) !== S_IFDIR) continue;
    makeDir(parent);
    makeWhiteout(`${to}/${path}`);
    changes++;
  }
  for (const path of made) if (path !== "") dirs.push(path);
  for (const path of dirs.sort().reverse()) {
    const stat = tryLstat(`${from}/${path}`);
    if (stat !== undefined) copyMetadata(`${from}/${path}`, stat, `${to}/${path}`);
  }
  return { state, changes };
}

function walk(root: ByteString, path: ByteString, visit: (path: ByteString, stat: fs.BigIntStats) => void): void {
  for (const name of readNames(path === "" ? root : `${root}/${path}`)) {
    const child = path === "" ? name : `${path}/${name}`;
    const stat = tryLstat(`${root}/${child}`);
    if (stat === undefined) continue;
    const kind = kindOf(stat);
    // Sockets, pipes and devices do not travel.
    if (kind !== S_IFDIR && kind !== S_IFREG && kind !== S_IFLNK) continue;
    visit(child, stat);
    if (kind === S_IFDIR) walk(root, child, visit);
  }
}

function stateOf(stat: fs.BigIntStats): string {
  const { mode, uid, gid, size, mtimeNs, ino } = stat;
  return kindOf(stat) === S_IFDIR ? `${mode} ${uid} ${gid}` : `${mode} ${uid} ${gid} ${size} ${mtimeNs} ${ino}`;
}

function byteParent(path: ByteString): ByteString {
  const parent = dirname(path);
  return parent === "." ? "" : parent;
}
