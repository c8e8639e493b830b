// Copies a file or tree as `COPY` does: patterns, owners, modes, times, hardlinks among what is copied. Files are made directly
// in place with as few calls as possible, large ones inside the kernel.
// Counterpart: tonistiigi/fsutil copy/copy.go.

import * as fs from "node:fs";
import { type ByteString, errnoOf, fsPath, textOf } from "../../base/index.ts";
import type { MatchInfo, PatternMatcher } from "../../formats/patterns/index.ts";
import { removeTree } from "../../storage/snapshots/index.ts";
import {
  copyFileRange,
  getXattr,
  listXattrs,
  makeNode,
  setFdTimes,
  setTimes,
  setXattr,
  splitDevice,
  tryOwn,
} from "../../system/linux/index.ts";
import { type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import type { SourceTree } from "../sources/index.ts";
import { fileError, pathError } from "./file-errors.ts";
import { type Destination, kindBits } from "./file-paths.ts";

export interface CopierOptions {
  readonly source: SourceTree;
  readonly destination: Destination;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly timeNs: bigint | undefined;
  /** Mode of what is copied, from what it was. */
  readonly mode: ((mode: number, isDir: boolean) => number) | undefined;
  readonly include: PatternMatcher | undefined;
  readonly exclude: PatternMatcher | undefined;
  readonly replaceExisting: boolean;
  readonly context: JobContext;
}

/** One file or folder on its way. */
interface Item {
  readonly from: ByteString;
  readonly to: ByteString;
  /** Path below what is copied; "" for itself. */
  readonly inner: ByteString;
  /** Whether a folder that is there already takes the source's metadata. */
  readonly overwrite: boolean;
  readonly include: MatchInfo | undefined;
  readonly exclude: MatchInfo | undefined;
}

interface Parent {
  readonly from: ByteString;
  readonly to: ByteString;
  readonly stat: fs.BigIntStats;
  copied: boolean;
  /** Made on behalf of something inside: its times are set once that is done. */
  late: boolean;
}

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const S_IFSOCK = 0o140000;
const SMALL = 256 * 1024;
const buffer = Buffer.allocUnsafeSlow(SMALL);
const NEW_FILE = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY | fs.constants.O_NOFOLLOW;

export class Copier {
  readonly #o: CopierOptions;
  readonly #links = new Map<string, ByteString>();
  readonly #parents: Parent[] = [];
  readonly #self = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

  constructor(options: CopierOptions) {
    this.#o = options;
  }

  /** Copies what is at `from` to `to`; both are resolved, the parent of `to` is there. */
  copy(from: ByteString, to: ByteString): void {
    this.#copy({ from, to, inner: "", overwrite: false, include: undefined, exclude: undefined });
  }

  #copy(item: Item): void {
    throwIfAborted(this.#o.context);
    const { source, destination, include, exclude } = this.#o;
    let wanted = true;
    let excluded = false;
    let infos: Pick<Item, "include" | "exclude"> = { include: undefined, exclude: undefined };
    if (item.inner !== "" && (include !== undefined || exclude !== undefined)) {
      const text = textOf(item.inner);
      const included = include?.matchesUsingParentResults(text, item.include);
      const left = exclude?.matchesUsingParentResults(text, item.exclude);
      excluded = left?.matched === true;
      wanted = included?.matched !== false && !excluded;
      infos = { include: included?.info, exclude: left?.info };
      if (!wanted && include === undefined && exclude?.hasExclusions !== true) return;
    }
    const stat = source.stat(item.from);
    if (stat === undefined) throw pathError("lstat", item.from, "ENOENT");
    const kind = kindBits(stat);
    if (kind === S_IFDIR) {
      this.#copyDir({ ...item, ...infos }, stat, wanted, excluded);
      return;
    }
    if (!wanted) return;
    this.#makeParents(item.overwrite);
    const target = destination.at(item.to);
    if (this.#o.replaceExisting && destination.stat(item.to) !== undefined) removeTree({ path: target });
    if (kind === S_IFREG) this.#copyFile(item, stat, target);
    else this.#copyOther(item, stat, kind, target);
  }

  #copyDir(item: Item, stat: fs.BigIntStats, wanted: boolean, excluded: boolean): void {
    const { source, destination, exclude } = this.#o;
    const parent: Parent = { from: item.from, to: item.to, stat, copied: wanted, late: false };
    let created = false;
    if (wanted) {
      if (this.#o.replaceExisting) {
        const there = destination.stat(item.to);
        if (there !== undefined && !there.isDirectory()) removeTree({ path: destination.at(item.to) });
      }
      this.#makeParents(item.overwrite);
      created = this.#makeDir(item.to, stat, item.overwrite);
    }
    if (!excluded || exclude?.hasExclusions === true) {
      this.#parents.push(parent);
      for (const { name } of source.list(item.from)) {
        this.#copy({
          from: item.from === "" ? name : `${item.from}/${name}`,
          to: item.to === "" ? name : `${item.to}/${name}`,
          inner: item.inner === "" ? name : `${item.inner}/${name}`,
          overwrite: true,
          include: item.include,
          exclude: item.exclude,
        });
      }
      this.#parents.pop();
    }
    if (created || (wanted && item.overwrite) || parent.late) this.#setDirMetadata(parent);
    else if (wanted) this.#setTimes(destination.at(item.to), stat);
  }

  /** Folders that were only passed through so far get made when something inside is copied. */
  #makeParents(overwrite: boolean): void {
    for (const parent of this.#parents) {
      if (parent.copied) continue;
      parent.copied = true;
      parent.late = this.#makeDir(parent.to, parent.stat, overwrite);
    }
  }

  #makeDir(to: ByteString, stat: fs.BigIntStats, overwrite: boolean): boolean {
    const { destination } = this.#o;
    const real = fsPath(destination.at(to));
    try {
      fs.mkdirSync(real, 0o700);
      return true;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    if (!destination.stat(to)?.isDirectory()) throw fileError(`cannot copy to non-directory: /${textOf(to)}`);
    if (overwrite) fs.chmodSync(real, Number(stat.mode) & 0o7777);
    return false;
  }

  #setDirMetadata({ from, to, stat }: Parent): void {
    const target = this.#o.destination.at(to);
    const owner = this.#ownerOf(stat);
    tryOwn(() => fs.lchownSync(fsPath(target), owner.uid, owner.gid));
    fs.chmodSync(fsPath(target), this.#modeOf(stat, true));
    this.#copyXattrs(from, target);
    this.#setTimes(target, stat);
  }

  #copyFile(item: Item, stat: fs.BigIntStats, target: ByteString): void {
    const linked = stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined;
    const first = linked === undefined ? undefined : this.#links.get(linked);
    if (first !== undefined) {
      this.#inPlace(item.to, () => fs.linkSync(fsPath(first), fsPath(target)));
      return;
    }
    if (linked !== undefined) this.#links.set(linked, target);
    const from = fs.openSync(fsPath(this.#sourcePath(item.from)), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    let to = -1;
    try {
      to = this.#inPlace(item.to, () => fs.openSync(fsPath(target), NEW_FILE, 0o600));
      copyContent(from, to, Number(stat.size), this.#o.context);
      const owner = this.#ownerOf(stat);
      if (owner.uid !== this.#self.uid || owner.gid !== this.#self.gid)
        tryOwn(() => fs.fchownSync(to, owner.uid, owner.gid));
      fs.fchmodSync(to, this.#modeOf(stat, false));
      this.#copyXattrs(item.from, target);
      const time = this.#o.timeNs;
      setFdTimes(to, time ?? stat.atimeNs, time ?? stat.mtimeNs);
    } finally {
      fs.closeSync(from);
      if (to >= 0) fs.closeSync(to);
    }
  }

  #copyOther(item: Item, stat: fs.BigIntStats, kind: number, target: ByteString): void {
    const real = fsPath(target);
    if (kind === S_IFSOCK) return;
    if (kind === S_IFLNK) {
      const link = fsPath(this.#o.source.readLink(item.from));
      this.#inPlace(item.to, () => fs.symlinkSync(link, real));
    } else {
      const { major, minor } = splitDevice(stat.rdev);
      this.#inPlace(item.to, () => makeNode(real, kind | 0o600, major, minor));
    }
    const owner = this.#ownerOf(stat);
    tryOwn(() => fs.lchownSync(real, owner.uid, owner.gid));
    if (kind !== S_IFLNK) fs.chmodSync(real, this.#modeOf(stat, false));
    this.#setTimes(target, stat);
  }

  /** Makes something at a place; a file that is there already is replaced, a folder is not. */
  #inPlace<T>(to: ByteString, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    if (this.#o.destination.stat(to)?.isDirectory()) {
      throw fileError(`cannot replace to directory /${textOf(to)} with file`);
    }
    fs.unlinkSync(fsPath(this.#o.destination.at(to)));
    return make();
  }

  #ownerOf(stat: fs.BigIntStats): { uid: number; gid: number } {
    return this.#o.owner ?? this.#o.source.owner ?? { uid: Number(stat.uid), gid: Number(stat.gid) };
  }

  #modeOf(stat: fs.BigIntStats, isDir: boolean): number {
    const mode = Number(stat.mode) & 0o7777;
    return this.#o.mode === undefined ? mode : this.#o.mode(mode, isDir);
  }

  #setTimes(target: ByteString, stat: fs.BigIntStats): void {
    const time = this.#o.timeNs;
    setTimes(fsPath(target), time ?? stat.atimeNs, time ?? stat.mtimeNs);
  }

  #copyXattrs(from: ByteString, target: ByteString): void {
    const path = fsPath(this.#sourcePath(from));
    for (const name of listXattrs(path)) {
      // Others are this host's (labels, access lists) and mean nothing in an image.
      if (name !== "security.capability" && (!name.startsWith("user.") || name.startsWith("user.overlay."))) continue;
      const value = getXattr(path, name);
      try {
        if (value !== undefined) setXattr(fsPath(target), name, value);
      } catch (error) {
        if (errnoOf(error) !== "ENOTSUP" && errnoOf(error) !== "EPERM") throw error;
      }
    }
  }

  #sourcePath(path: ByteString): ByteString {
    return path === "" ? this.#o.source.root : `${this.#o.source.root}/${path}`;
  }
}

function copyContent(from: number, to: number, size: number, context: JobContext): void {
  if (size === 0) return;
  if (size > SMALL) {
    try {
      let copied = 0;
      for (let part = 1; part > 0; copied += part) {
        part = copyFileRange(from, to, 64 * 1024 * 1024);
        throwIfAborted(context);
      }
      // Files of some virtual file systems have sizes but copy as empty.
      if (copied > 0) return;
    } catch (error) {
      if (!["EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM", "EBADF"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
  for (let left = size; left > 0;) {
    const read = fs.readSync(from, buffer, 0, SMALL, null);
    if (read === 0) return;
    for (let at = 0; at < read;) at += fs.writeSync(to, buffer, at, read - at);
    left -= read;
    throwIfAborted(context);
  }
}
