// What a walk of a folder depended on: each folder that was read, each file whose digest was asked, as they were just before. As long as all of it
// is as it was, the same questions have the same answers: a folder's own times tell of every name that comes, goes or becomes another file.

import * as fs from "node:fs";
import { type ByteString, fsPath } from "../../base/index.ts";
import { ChangeClock } from "./change-clock.ts";

/** What tells a file from what it was; of `fs.Stats`. */
export type FileNumbers = Pick<fs.Stats, "dev" | "ino" | "size" | "mtimeMs" | "ctimeMs">;

/** Names of a folder with the numbers of each: device, inode, size, mtime and ctime in milliseconds. */
export interface RecordedFolder {
  readonly names: ByteString[];
  readonly numbers: number[];
}

export class WalkRecord {
  /** By folder; the folder itself is the name `.` in it. Those above come before those below. */
  readonly folders = new Map<ByteString, RecordedFolder>();
  readonly #root: ByteString;
  readonly #clock: ChangeClock;
  #device: number | undefined;
  #isSure: boolean;

  constructor(root: ByteString, clock = new ChangeClock(root)) {
    this.#root = root;
    this.#clock = clock;
    this.#isSure = clock.isLocal;
  }

  /** A record that begins with what this one has so far. */
  copy(): WalkRecord {
    const copy = new WalkRecord(this.#root, this.#clock);
    for (const [dir, { names, numbers }] of this.folders)
      copy.folders.set(dir, { names: [...names], numbers: [...numbers] });
    copy.#device = this.#device;
    copy.#isSure = this.#isSure;
    return copy;
  }

  /** Whether times tell of every later change: nothing changed too late for that, and every folder is on the root's file system, which can be relied on. */
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
  addFile(path: ByteString, stat: FileNumbers): void {
    const slash = path.lastIndexOf("/");
    this.#add(path.slice(0, Math.max(0, slash)), path.slice(slash + 1), stat);
  }

  #add(dir: ByteString, name: ByteString, stat: FileNumbers): void {
    if (this.#clock.isRacy(stat)) this.#isSure = false;
    let folder = this.folders.get(dir);
    if (folder === undefined) this.folders.set(dir, (folder = { names: [], numbers: [] }));
    folder.names.push(name);
    folder.numbers.push(stat.dev, stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs);
  }
}
