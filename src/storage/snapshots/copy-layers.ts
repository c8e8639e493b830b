// Plain-copy snapshots: layers are copied on top of each other into one tree, and what a step changed in it is found again by
// inode and change time, which no program can set back. The result has the same form as an overlay's upper directory.

import * as fs from "node:fs";
import { byteString, errnoOf, fsPath } from "../../base/index.ts";
import { makeNode } from "../../system/linux/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import { copyFile } from "./copy-file.ts";
import {
  copyMetadata,
  isOpaque,
  isWhiteout,
  kindOf,
  makeOpaque,
  makeWhiteout,
  readNames,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  tryLstat,
} from "./overlay-form.ts";
import { removeTree } from "./remove-tree.ts";

export interface FlattenInput {
  /** Layer directories, bottom first. */
  readonly lowerDirs: readonly string[];
  /** An existing empty directory. */
  readonly target: string;
  /** File to write what `extractChanges` needs; absent for trees that nobody changes. */
  readonly indexFile?: string | undefined;
}

/** Copies layers into one tree. */
export function flattenLayers(
  { lowerDirs, target, indexFile }: FlattenInput,
  context: JobContext = directContext(),
): void {
  const root = byteString(target);
  for (const dir of lowerDirs) new LayerCopy(byteString(dir), root, context).run();
  if (indexFile === undefined) return;
  const lines: string[] = [];
  for (const { path, stat } of walk(root, context)) lines.push(`${stat.ino}:${path}`);
  fs.writeFileSync(indexFile, `${changeMark(indexFile)}\0${lines.join("\0")}`, "latin1");
}

/** A change time later than that of everything there is, and earlier than that of everything to come. */
function changeMark(path: string): bigint {
  const touch = (): bigint => {
    fs.writeFileSync(path, "");
    return fs.lstatSync(path, { bigint: true }).ctimeNs;
  };
  const start = touch();
  // The clock of inodes ticks a few hundred times a second.
  let now = touch();
  while (now <= start) now = touch();
  const mark = now;
  while (now <= mark) now = touch();
  return mark;
}

class LayerCopy {
  readonly #source: string;
  readonly #target: string;
  readonly #context: JobContext;
  readonly #links = new Map<bigint, string>();

  constructor(source: string, target: string, context: JobContext) {
    this.#source = source;
    this.#target = target;
    this.#context = context;
  }

  run(): void {
    this.#dir(this.#source, this.#target);
    copyMetadata(this.#source, tryLstat(this.#source)!, this.#target);
  }

  #dir(source: string, target: string): void {
    for (const name of readNames(source)) {
      throwIfAborted(this.#context);
      this.#one(`${source}/${name}`, `${target}/${name}`);
    }
  }

  #one(source: string, target: string): void {
    const stat = tryLstat(source);
    if (stat === undefined) return;
    const below = tryLstat(target);
    if (isWhiteout(stat)) {
      if (below !== undefined) removeTree({ path: target });
      return;
    }
    const merges = kindOf(stat) === S_IFDIR && below !== undefined && kindOf(below) === S_IFDIR && !isOpaque(source);
    if (below !== undefined && !merges) removeTree({ path: target });
    if (kindOf(stat) === S_IFDIR) {
      if (!merges) fs.mkdirSync(fsPath(target));
      this.#dir(source, target);
      copyMetadata(source, stat, target);
      return;
    }
    const first = this.#links.get(stat.ino);
    if (first !== undefined) {
      fs.linkSync(fsPath(first), fsPath(target));
      return;
    }
    if (stat.nlink > 1n) this.#links.set(stat.ino, target);
    if (kindOf(stat) === S_IFREG) copyFile(source, target);
    else if (kindOf(stat) === S_IFLNK)
      fs.symlinkSync(fsPath(fs.readlinkSync(fsPath(source), "latin1")), fsPath(target));
    else if (!this.#node(stat, target)) return;
    copyMetadata(source, stat, target);
  }

  #node(stat: fs.BigIntStats, target: string): boolean {
    if (kindOf(stat) === S_IFSOCK) return false;
    try {
      makeNode(fsPath(target), Number(stat.mode), Number((stat.rdev >> 8n) & 0xfffn), Number(stat.rdev & 0xffn));
      return true;
    } catch (error) {
      if (errnoOf(error) === "EPERM") return false;
      throw error;
    }
  }
}

export interface ExtractInput {
  /** The tree that `flattenLayers` made and a step has changed. It is taken apart. */
  readonly merged: string;
  readonly indexFile: string;
  /** An existing empty directory that receives the changes. */
  readonly fsDir: string;
}

/** Moves what has changed into overlay form. */
export function extractChanges(
  { merged, indexFile, fsDir }: ExtractInput,
  context: JobContext = directContext(),
): void {
  const [mark = "0", ...lines] = fs.readFileSync(indexFile, "latin1").split("\0");
  const before = new Map<string, bigint>();
  const children = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const path = line.slice(colon + 1);
    before.set(path, BigInt(line.slice(0, colon)));
    const slash = path.lastIndexOf("/");
    const dir = slash < 0 ? "" : path.slice(0, slash);
    const siblings = children.get(dir);
    if (siblings === undefined) children.set(dir, [path]);
    else siblings.push(path);
  }
  new ChangeMove({
    from: byteString(merged),
    to: byteString(fsDir),
    before,
    children,
    mark: BigInt(mark),
    context,
  }).run();
}

interface MoveOptions {
  readonly from: string;
  readonly to: string;
  /** Path -> inode as it was. */
  readonly before: ReadonlyMap<string, bigint>;
  readonly children: ReadonlyMap<string, readonly string[]>;
  readonly mark: bigint;
  readonly context: JobContext;
}

class ChangeMove {
  readonly #o: MoveOptions;
  readonly #madeDirs = new Set<string>([""]);

  constructor(options: MoveOptions) {
    this.#o = options;
  }

  run(): void {
    this.#dir("");
    const { from, to } = this.#o;
    copyMetadata(from, tryLstat(from)!, to);
  }

  /** Looks through a folder that was there before. */
  #dir(dir: string): void {
    const { from, to, before, mark, context } = this.#o;
    const names = new Set<string>();
    for (const name of readNames(dir === "" ? from : `${from}/${dir}`)) {
      throwIfAborted(context);
      names.add(name);
      const path = dir === "" ? name : `${dir}/${name}`;
      const stat = tryLstat(`${from}/${path}`);
      if (stat === undefined || kindOf(stat) === S_IFSOCK) continue;
      const old = before.get(path);
      const same = old === stat.ino;
      if (kindOf(stat) === S_IFDIR && same) {
        this.#dir(path);
        if (stat.ctimeNs > mark) this.#makeDir(path);
        if (this.#madeDirs.has(path)) copyMetadata(`${from}/${path}`, stat, `${to}/${path}`);
      } else if (!same || stat.ctimeNs > mark) {
        this.#makeDir(dir);
        // A folder that is new in an old one's place hides what that held.
        const hides = kindOf(stat) === S_IFDIR && old !== undefined;
        fs.renameSync(fsPath(`${from}/${path}`), fsPath(`${to}/${path}`));
        if (hides) makeOpaque(`${to}/${path}`);
      }
    }
    for (const path of this.#o.children.get(dir) ?? []) {
      if (names.has(path.slice(path.lastIndexOf("/") + 1))) continue;
      this.#makeDir(dir);
      makeWhiteout(`${to}/${path}`);
    }
  }

  #makeDir(dir: string): void {
    if (this.#madeDirs.has(dir)) return;
    const slash = dir.lastIndexOf("/");
    this.#makeDir(slash < 0 ? "" : dir.slice(0, slash));
    fs.mkdirSync(fsPath(`${this.#o.to}/${dir}`));
    this.#madeDirs.add(dir);
  }
}

function* walk(root: string, context: JobContext): Generator<{ path: string; stat: fs.BigIntStats }> {
  const stack = readNames(root);
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    throwIfAborted(context);
    const stat = tryLstat(`${root}/${path}`);
    if (stat === undefined) continue;
    yield { path, stat };
    if (kindOf(stat) === S_IFDIR) for (const name of readNames(`${root}/${path}`)) stack.push(`${path}/${name}`);
  }
}
