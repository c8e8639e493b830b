// Digests of many files of one folder, computed by several threads: names and answers lie in memory that all share, each thread takes the next
// some of the files until none are left. The thread that asks does the same, so that nothing waits for a helper that never comes;
// what nobody could read it reads again by itself, and so says what is wrong in the order of its walk.

import * as fs from "node:fs";
import { type ByteString, type Digest, errnoOf, fsPath } from "../../base/index.ts";
import { entryDigest, smallFileDigest } from "../../storage/snapshots/index.ts";
import { canReadNames, NameReader, tryOpenFolder } from "../../system/linux/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import type { FileNumbers } from "./walk-record.ts";

/** Files that a thread takes at a time. */
const PART = 128;
/** Device, inode, size, mtime, ctime. */
const NUMBERS = 5;
const DIGEST = 32;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
/** What everything in a local folder counts as owned by. */
const OWNER = { uid: 0, gid: 0 };
/** How often who waits looks whether it should go on waiting. */
const LOOK_MS = 50;

/** Places in the control words; behind them one word for each part, not 0 once it is done. */
const NEXT = 0;
const ABANDONED = 1;
const PARTS = 2;

/** What all threads work on: shared memory, so that sending it copies nothing. */
export interface SharedFiles {
  readonly root: ByteString;
  readonly count: number;
  /** Paths, each ended by a zero byte. */
  readonly paths: SharedArrayBuffer;
  /** Where each path begins, and where the last one ends. */
  readonly offsets: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly numbers: SharedArrayBuffer;
  readonly digests: SharedArrayBuffer;
  /** For each file, not 0 once its numbers and digest are there. */
  readonly states: SharedArrayBuffer;
}

/** What was read of one file, and as what it was looked at just before. */
export interface ReadFile {
  readonly stat: FileNumbers;
  readonly digest: Digest;
}

/** @param paths relative to `root`, no two equal */
export function shareFiles(root: ByteString, paths: readonly ByteString[]): SharedFiles {
  const count = paths.length;
  const shared: SharedFiles = {
    root,
    count,
    paths: new SharedArrayBuffer(paths.reduce((sum, path) => sum + path.length + 1, 0)),
    offsets: new SharedArrayBuffer((count + 1) * 4),
    control: new SharedArrayBuffer((PARTS + Math.ceil(count / PART)) * 4),
    numbers: new SharedArrayBuffer(count * NUMBERS * 8),
    digests: new SharedArrayBuffer(count * DIGEST),
    states: new SharedArrayBuffer(count),
  };
  const names = Buffer.from(shared.paths);
  const offsets = new Uint32Array(shared.offsets);
  let at = 0;
  for (const [index, path] of paths.entries()) {
    offsets[index] = at;
    at += names.write(path, at, "latin1") + 1;
  }
  offsets[count] = at;
  return shared;
}

/** Takes parts and reads their files until all are taken. @throws an AbortError. */
export function readSharedFiles(shared: SharedFiles, context: JobContext = directContext()): void {
  const control = new Int32Array(shared.control);
  const parts = control.length - PARTS;
  const reader = new PartReader(shared, context);
  for (;;) {
    const part = Atomics.add(control, NEXT, 1);
    if (part >= parts) return;
    try {
      reader.read(part * PART, Math.min(shared.count, (part + 1) * PART));
    } finally {
      Atomics.store(control, PARTS + part, 1);
      Atomics.notify(control, PARTS + part);
    }
  }
}

/** Says that who took a part may have ended without doing it: nobody is to wait for that. */
export function abandonSharedFiles({ control }: Pick<SharedFiles, "control">): void {
  Atomics.store(new Int32Array(control), ABANDONED, 1);
}

/** Reads files until all are taken, waits for what others took, and has what there is by path. @throws an AbortError. */
export function readAllFiles(
  shared: SharedFiles,
  paths: readonly ByteString[],
  context: JobContext,
): (path: ByteString) => ReadFile | undefined {
  readSharedFiles(shared, context);
  const control = new Int32Array(shared.control);
  for (let part = PARTS; part < control.length; part++) {
    while (Atomics.load(control, part) === 0 && Atomics.load(control, ABANDONED) === 0) {
      throwIfAborted(context);
      Atomics.wait(control, part, 0, LOOK_MS);
    }
  }
  const places = new Map(paths.map((path, at) => [path, at]));
  const states = new Uint8Array(shared.states);
  const numbers = new Float64Array(shared.numbers);
  const digests = Buffer.from(shared.digests);
  return (path) => {
    const at = places.get(path);
    if (at === undefined || Atomics.load(states, at) === 0) return undefined;
    const n = at * NUMBERS;
    return {
      stat: {
        dev: numbers[n]!,
        ino: numbers[n + 1]!,
        size: numbers[n + 2]!,
        mtimeMs: numbers[n + 3]!,
        ctimeMs: numbers[n + 4]!,
      },
      digest: `sha256:${digests.toString("hex", at * DIGEST, (at + 1) * DIGEST)}` as Digest,
    };
  };
}

class PartReader {
  readonly #shared: SharedFiles;
  readonly #context: JobContext;
  readonly #paths: Buffer;
  readonly #offsets: Uint32Array;
  readonly #numbers: Float64Array;
  readonly #digests: Buffer;
  readonly #states: Uint8Array;
  readonly #names: NameReader | undefined;

  constructor(shared: SharedFiles, context: JobContext) {
    this.#shared = shared;
    this.#context = context;
    this.#paths = Buffer.from(shared.paths);
    this.#offsets = new Uint32Array(shared.offsets);
    this.#numbers = new Float64Array(shared.numbers);
    this.#digests = Buffer.from(shared.digests);
    this.#states = new Uint8Array(shared.states);
    this.#names = canReadNames() ? new NameReader(this.#paths) : undefined;
  }

  read(start: number, end: number): void {
    let dir: ByteString | undefined;
    let fd = -1;
    try {
      for (let at = start; at < end; at++) {
        throwIfAborted(this.#context);
        const from = this.#offsets[at]!;
        const path = this.#paths.toString("latin1", from, this.#offsets[at + 1]! - 1);
        const slash = path.lastIndexOf("/");
        const above = path.slice(0, Math.max(0, slash));
        if (this.#names !== undefined && above !== dir) {
          if (fd >= 0) fs.closeSync(fd);
          fd = tryOpenFolder(fsPath(above === "" ? this.#shared.root : `${this.#shared.root}/${above}`));
          dir = above;
        }
        if (!this.#readQuick(at, fd, from + slash + 1)) this.#readSlow(at, path);
      }
    } finally {
      if (fd >= 0) fs.closeSync(fd);
    }
  }

  /** A small file without attributes. */
  #readQuick(at: number, dirFd: number, name: number): boolean {
    const names = this.#names;
    if (names === undefined || dirFd < 0 || !names.look(dirFd, name) || (names.mode & S_IFMT) !== S_IFREG) return false;
    const { mode, numbers } = names;
    const digest = smallFileDigest({ mode, ...OWNER, sizeBytes: numbers[2]! }, (into, place) =>
      names.read(dirFd, name, into, place),
    );
    if (digest !== undefined) this.#note(at, numbers, digest);
    return digest !== undefined;
  }

  #readSlow(at: number, path: ByteString): void {
    const full: ByteString = `${this.#shared.root}/${path}`;
    try {
      const stat = fs.lstatSync(fsPath(full));
      const digest = entryDigest(full, stat, { owner: OWNER, context: this.#context });
      this.#note(at, [stat.dev, stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs], digest);
    } catch (error) {
      // Who asked meets it, too.
      if (errnoOf(error) === undefined) throw error;
    }
  }

  #note(at: number, numbers: ArrayLike<number>, digest: Digest): void {
    this.#numbers.set(numbers, at * NUMBERS);
    this.#digests.write(digest.slice("sha256:".length), at * DIGEST, "hex");
    Atomics.store(this.#states, at, 1);
  }
}
