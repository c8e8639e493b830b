// What a walk of a folder depended on: each folder that was read, each file whose digest was asked, as they were just before. As long as all of it
// is as it was, the same questions have the same answers: a folder's own times tell of every name that comes, goes or becomes another file.

import * as fs from "node:fs";
import { type ByteString, fsPath } from "../../base/index.ts";

/**
 * File systems of this machine's own: their folders change their times with their names, and times come from the kernel's clock, which ticks at least every
 * hundredth of a second. ext, XFS, Btrfs, tmpfs, overlay, ZFS, F2FS, bcachefs. Unions and networks may show other folders' times and other clocks'.
 */
const LOCAL = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0xca451a4e]);

/** Whether a folder is on a file system whose times can be relied on. */
export function isOnLocalDisk(root: ByteString): boolean {
  try {
    return LOCAL.has(fs.statfsSync(fsPath(root)).type);
  } catch {
    return false;
  }
}

/**
 * What changed later than this before it was read may change again unseen, within one tick of the clock. Ten ticks of a local disk's; elsewhere more than the coarsest,
 * FAT's, which is also something for a server's clock that goes wrong.
 */
export function racyMs(root: ByteString): number {
  return isOnLocalDisk(root) ? 100 : 2000;
}

/** Names of a folder with the numbers of each: device, inode, size, mtime and ctime in milliseconds. */
export interface RecordedFolder {
  readonly names: ByteString[];
  readonly numbers: number[];
}

export class WalkRecord {
  /** By folder; the folder itself is the name `.` in it. Those above come before those below. */
  readonly folders = new Map<ByteString, RecordedFolder>();
  readonly #root: ByteString;
  /** What changed later is not to be trusted. */
  readonly #sureMs: number;
  #device: number | undefined;
  #isSure = true;

  constructor(root: ByteString, sureMs = Date.now() - racyMs(root)) {
    this.#root = root;
    this.#sureMs = sureMs;
  }

  /** A record that begins with what this one has so far. */
  copy(): WalkRecord {
    const copy = new WalkRecord(this.#root, this.#sureMs);
    for (const [dir, { names, numbers }] of this.folders)
      copy.folders.set(dir, { names: [...names], numbers: [...numbers] });
    copy.#device = this.#device;
    copy.#isSure = this.#isSure;
    return copy;
  }

  /** Whether nothing changed so late that a later change could look the same, and every folder is on the root's file system. */
  get isSure(): boolean {
    return this.#isSure;
  }

  /** Notes a folder that is about to be read, or about whose entries a question is asked; none where there is no folder. */
  addFolder(dir: ByteString): void {
    const stat = fs.lstatSync(fsPath(dir === "" ? this.#root : `${this.#root}/${dir}`), { throwIfNoEntry: false });
    if (stat === undefined || !stat.isDirectory()) return;
    this.#device ??= stat.dev;
    if (stat.dev !== this.#device) this.#isSure = false;
    this.#add(dir, ".", stat);
  }

  /** Notes a file that is about to be read. */
  addFile(path: ByteString, stat: fs.Stats): void {
    const slash = path.lastIndexOf("/");
    this.#add(path.slice(0, Math.max(0, slash)), path.slice(slash + 1), stat);
  }

  #add(dir: ByteString, name: ByteString, stat: fs.Stats): void {
    if (Math.max(stat.mtimeMs, stat.ctimeMs) > this.#sureMs) this.#isSure = false;
    let folder = this.folders.get(dir);
    if (folder === undefined) this.folders.set(dir, (folder = { names: [], numbers: [] }));
    folder.names.push(name);
    folder.numbers.push(stat.dev, stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs);
  }
}
