// Copies a file or tree as `COPY` does: patterns, owners, modes, times, hardlinks among what is copied. Files are made directly
// in place with as few calls as possible, large ones inside the kernel.
// Counterpart: tonistiigi/fsutil copy/copy.go.

import * as fs from "node:fs";
import { type ByteString, errnoOf, fsPath, textOf } from "../../base/index.ts";
import type { MatchInfo, PatternMatcher } from "../../formats/patterns/index.ts";
import { removeTree } from "../../storage/snapshots/index.ts";
import {
  canReadNames,
  getXattr,
  listXattrs,
  makeNode,
  NameReader,
  setFdTimes,
  setTimes,
  setXattr,
  splitDevice,
  tryOpenFolder,
  tryOwn,
} from "../../system/linux/index.ts";
import { type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import type { SourceTree } from "../sources/index.ts";
import { copyContent } from "./file-content.ts";
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
  /** Takes files of new folders that are to be copied later; absent: nothing is. */
  readonly later?: LaterCopies | undefined;
  /** What an earlier part of the same copy knows of files with more names. */
  readonly links?: Map<string, ByteString> | undefined;
}

/** Files of one new folder that are not copied yet; paths as the trees have them. */
export interface LaterFolder {
  readonly from: ByteString;
  readonly to: ByteString;
  readonly names: readonly ByteString[];
}

/** What a folder gets once its files are there; no mode where it keeps the one that it has. */
export interface LaterMetadata {
  readonly to: ByteString;
  readonly mode: number | undefined;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
}

/** What a copy has left to others. */
export interface LaterCopies {
  /** Where each file that has more names was copied to, by what names it. */
  readonly links: Map<string, ByteString>;
  readonly folders: LaterFolder[];
  readonly metadata: LaterMetadata[];
}

/** One file or folder on its way. */
interface Item {
  readonly from: ByteString;
  readonly to: ByteString;
  /** Path below what is copied; "" for itself. */
  readonly inner: ByteString;
  /** Whether a folder that is there already takes the source's metadata. */
  readonly overwrite: boolean;
  /** Whether the folder is known to be empty, if it is one. */
  readonly isEmpty?: boolean | undefined;
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

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const S_IFSOCK = 0o140000;
const NEW_FILE = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY | fs.constants.O_NOFOLLOW;

export class Copier {
  readonly #o: CopierOptions;
  readonly #links: Map<string, ByteString>;
  readonly #parents: Parent[] = [];
  readonly #self = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

  constructor(options: CopierOptions) {
    this.#o = options;
    this.#links = options.links ?? options.later?.links ?? new Map<string, ByteString>();
  }

  /** Copies what is at `from` to `to`; both are resolved, the parent of `to` is there; `isEmpty` where `to` is a folder just made. */
  copy(from: ByteString, to: ByteString, isEmpty = false): void {
    this.#copy({ from, to, inner: "", overwrite: false, isEmpty, include: undefined, exclude: undefined });
  }

  /** Copies what was left for later but what has more than one name or is no file: what is left then is returned. */
  copyFiles({ from, to, names }: LaterFolder): LaterFolder {
    using quick = canReadNames() ? this.#quickCopies(from, to, names) : undefined;
    const left = names.filter((name, at) => {
      throwIfAborted(this.#o.context);
      if (quick?.copy(at) === true) return false;
      const item = itemOf(from, to, name);
      const stat = this.#lstat(item.from);
      if (kindBits(stat) !== S_IFREG || stat.nlink > 1n) return true;
      this.#copyFile(item, stat, this.#o.destination.at(item.to));
      return false;
    });
    return { from, to, names: left };
  }

  /** Copies of small files without attributes from one folder to another, where nothing is in the way; for others there is the long way. */
  #quickCopies(from: ByteString, to: ByteString, names: readonly ByteString[]) {
    const bytes = Buffer.allocUnsafeSlow(names.reduce((sum, name) => sum + name.length + 1, 0));
    let end = 0;
    const offsets = names.map((name) => {
      const start = end;
      end += bytes.write(`${name}\0`, start, "latin1");
      return start;
    });
    const reader = new NameReader(bytes);
    const fromFd = tryOpenFolder(fsPath(this.#sourcePath(from)));
    const toFd = tryOpenFolder(fsPath(this.#o.destination.at(to)));
    return {
      /** Whether the file was copied; if not, nothing was done. */
      copy: (at: number): boolean => {
        if (fromFd < 0 || toFd < 0 || !reader.look(fromFd, offsets[at]!)) return false;
        if ((reader.mode & S_IFMT) !== S_IFREG || reader.links > 1) return false;
        const owner = this.#o.owner ?? this.#o.source.owner ?? reader.owner;
        const isOwn = owner.uid === this.#self.uid && owner.gid === this.#self.gid;
        return reader.copy(fromFd, offsets[at]!, toFd, {
          mode: this.#modeOf(reader.mode, false),
          owner: isOwn ? undefined : owner,
          timeNs: this.#o.timeNs,
        });
      },
      [Symbol.dispose]: () => {
        for (const fd of [fromFd, toFd]) if (fd >= 0) fs.closeSync(fd);
      },
    };
  }

  /** Copies what `copyFiles` has left; all of it has to come to one copier, which knows what it has copied under another name. */
  copyRest({ from, to, names }: LaterFolder): void {
    for (const name of names) {
      const item = itemOf(from, to, name);
      this.#copyNode(item, this.#lstat(item.from));
    }
  }

  /** Gives a folder what it gets when its files are there. */
  finish({ to, mode, atimeNs, mtimeNs }: LaterMetadata): void {
    const target = fsPath(this.#o.destination.at(to));
    if (mode !== undefined) fs.chmodSync(target, mode);
    setTimes(target, atimeNs, mtimeNs);
  }

  #lstat(from: ByteString): fs.BigIntStats {
    const stat = fs.lstatSync(fsPath(this.#sourcePath(from)), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) throw pathError("lstat", from, "ENOENT");
    return stat;
  }

  #copy(item: Item): void {
    throwIfAborted(this.#o.context);
    const { source, destination, include, exclude } = this.#o;
    const { wanted, excluded, infos } = this.#judge(item);
    if (!wanted && include === undefined && exclude?.hasExclusions !== true) return;
    const stat = source.stat(item.from);
    if (stat === undefined) throw pathError("lstat", item.from, "ENOENT");
    if (kindBits(stat) === S_IFDIR) {
      this.#copyDir({ ...item, ...infos }, stat, wanted, excluded);
      return;
    }
    if (!wanted) return;
    this.#makeParents(item.overwrite);
    if (this.#o.replaceExisting && destination.stat(item.to) !== undefined)
      removeTree({ path: destination.at(item.to) });
    this.#copyNode(item, stat);
  }

  /** What the patterns say. */
  #judge(item: Item): { wanted: boolean; excluded: boolean; infos: Pick<Item, "include" | "exclude"> } {
    const { include, exclude } = this.#o;
    if (item.inner === "" || (include === undefined && exclude === undefined))
      return { wanted: true, excluded: false, infos: { include: undefined, exclude: undefined } };
    const text = textOf(item.inner);
    const included = include?.matchesUsingParentResults(text, item.include);
    const left = exclude?.matchesUsingParentResults(text, item.exclude);
    const excluded = left?.matched === true;
    const wanted = included?.matched !== false && !excluded;
    return { wanted, excluded, infos: { include: included?.info, exclude: left?.info } };
  }

  #copyNode(item: Pick<Item, "from" | "to">, stat: fs.BigIntStats): void {
    const target = this.#o.destination.at(item.to);
    const kind = kindBits(stat);
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
    const later: ByteString[] = [];
    const canWait = this.#o.later !== undefined && wanted && (created || item.isEmpty === true);
    if (!excluded || exclude?.hasExclusions === true) {
      this.#parents.push(parent);
      for (const { name, kind } of source.list(item.from)) {
        const inside: Item = {
          ...itemOf(item.from, item.to, name),
          inner: item.inner === "" ? name : `${item.inner}/${name}`,
          overwrite: true,
          include: item.include,
          exclude: item.exclude,
        };
        if (!canWait || kind !== "other") this.#copy(inside);
        else if (this.#judge(inside).wanted) later.push(name);
      }
      this.#parents.pop();
    }
    const hasOwnMetadata = created || (wanted && item.overwrite) || parent.late;
    if (later.length > 0) this.#leave(parent, later, hasOwnMetadata);
    else if (hasOwnMetadata) this.#setDirMetadata(parent);
    else if (wanted) this.#setTimes(destination.at(item.to), stat);
  }

  /** Leaves files of a folder for later, and what their coming would change of it. */
  #leave({ from, to, stat }: Parent, names: readonly ByteString[], hasOwnMetadata: boolean): void {
    const { folders, metadata } = this.#o.later!;
    folders.push({ from, to, names });
    const target = this.#o.destination.at(to);
    if (hasOwnMetadata) this.#setOwner(from, target, stat);
    const mode = hasOwnMetadata ? this.#modeOf(stat.mode, true) : undefined;
    const time = this.#o.timeNs;
    metadata.push({ to, mode, atimeNs: time ?? stat.atimeNs, mtimeNs: time ?? stat.mtimeNs });
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
    this.#setOwner(from, target, stat);
    fs.chmodSync(fsPath(target), this.#modeOf(stat.mode, true));
    this.#setTimes(target, stat);
  }

  /** Of a folder, with its attributes. */
  #setOwner(from: ByteString, target: ByteString, stat: fs.BigIntStats): void {
    const owner = this.#ownerOf(stat);
    tryOwn(() => fs.lchownSync(fsPath(target), owner.uid, owner.gid));
    this.#copyXattrs(from, target);
  }

  #copyFile(item: Pick<Item, "from" | "to">, stat: fs.BigIntStats, target: ByteString): void {
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
      fs.fchmodSync(to, this.#modeOf(stat.mode, false));
      this.#copyXattrs(item.from, target);
      const time = this.#o.timeNs;
      setFdTimes(to, time ?? stat.atimeNs, time ?? stat.mtimeNs);
    } finally {
      fs.closeSync(from);
      if (to >= 0) fs.closeSync(to);
    }
  }

  #copyOther(item: Pick<Item, "from" | "to">, stat: fs.BigIntStats, kind: number, target: ByteString): void {
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
    if (kind !== S_IFLNK) fs.chmodSync(real, this.#modeOf(stat.mode, false));
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

  #modeOf(stMode: number | bigint, isDir: boolean): number {
    const mode = Number(stMode) & 0o7777;
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

function itemOf(from: ByteString, to: ByteString, name: ByteString): { from: ByteString; to: ByteString } {
  return { from: from === "" ? name : `${from}/${name}`, to: to === "" ? name : `${to}/${name}` };
}
