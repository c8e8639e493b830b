// Copies trees into a folder of the user's: modes, times, links and attributes as in the image, files owned by whoever runs us.
// What is in the way of a file gives way to it, folders merge, everything else stays, unless the rest is to be deleted. Nothing
// there is followed: a symlink in the folder is replaced, never written through.
// Counterpart: fsutil diskwriter.go, with the filter of moby/buildkit session/filesync.

import * as fs from "node:fs";
import { randomBytes } from "node:crypto";
import { BuildError, byteString, errnoOf, fsPath, textOf } from "../../base/index.ts";
import type { ByteString } from "../../base/index.ts";
import { makeNode, setTimes, setXattr } from "../../system/linux/index.ts";
import { removeTree } from "../../storage/snapshots/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import type { JobProgress } from "./sink.ts";
import { statementFiles } from "./tree-attestations.ts";
import { contentXattrs, deviceOf, HardLinks, readNames, tryLstat, typeOf } from "./tree.ts";
import type { TreeInput } from "./tree-tar.ts";

export interface CopyTreesInput {
  /** Made when it is not there. */
  readonly target: string;
  readonly trees: readonly TreeInput[];
  /** Removes what none of the trees has. */
  readonly deleteOthers: boolean;
}

const PROGRESS_MS = 100;
const UID = process.geteuid?.() ?? 0;
const GID = process.getegid?.() ?? 0;

/** @throws EXPORT_PATHS_COLLIDE when two trees have the same file; EACCES, ENOSPC and other system errors; an AbortError. */
export function copyTrees(
  { target, trees, deleteOthers }: CopyTreesInput,
  context: JobContext = directContext(),
): { bytes: number } {
  const root = byteString(target);
  if (trees.length > 1) refuseCollisions(trees, context);
  fs.mkdirSync(target, { recursive: true });
  const copy = new TreeCopy(context);
  for (const { path, folder, epochSeconds, attestations = [] } of trees) {
    const into = folder === "" ? root : `${root}/${byteString(folder)}`;
    const statements = statementFiles(byteString(path), attestations, context);
    if (folder !== "") copy.folder(into, epochSeconds);
    copy.tree(byteString(path), into, epochSeconds);
    for (const { name, bytes } of statements) copy.file(`${into}/${name}`, bytes, epochSeconds);
  }
  if (deleteOthers) {
    const folders = trees.map(({ path, folder, attestations = [] }) => ({
      source: byteString(path),
      folder: byteString(folder),
      files: attestations.map(({ name }) => byteString(name)),
    }));
    removeOthers(root, folders, context);
  }
  return { bytes: copy.bytes };
}

class TreeCopy {
  readonly #context: JobContext;
  #links = new HardLinks();
  #epochSeconds: bigint | null = null;
  #reportedMs = 0;
  bytes = 0;

  constructor(context: JobContext) {
    this.#context = context;
  }

  tree(source: ByteString, target: ByteString, epochSeconds: bigint | null): void {
    this.#links = new HardLinks();
    this.#epochSeconds = epochSeconds;
    this.#dir(source, target, false);
    this.#report(true);
  }

  /** A file that is in no tree; whatever has its name gives way. */
  file(target: ByteString, bytes: Uint8Array, epochSeconds: bigint | null): void {
    const place = besideOf(target);
    try {
      fs.writeFileSync(fsPath(place), bytes, { flag: "wx", mode: 0o600 });
      if (epochSeconds !== null) setTimes(fsPath(place), epochSeconds * 1_000_000_000n, epochSeconds * 1_000_000_000n);
      const old = tryLstat(target);
      if (old !== undefined && typeOf(old) === "dir") removeTree({ path: target }, this.#context);
      fs.renameSync(fsPath(place), fsPath(target));
    } catch (error) {
      fs.rmSync(fsPath(place), { force: true });
      throw error;
    }
  }

  /** A platform's folder. */
  folder(target: ByteString, epochSeconds: bigint | null): void {
    const old = tryLstat(target);
    if (old !== undefined && typeOf(old) !== "dir") removeTree({ path: target }, this.#context);
    if (old === undefined || typeOf(old) !== "dir") fs.mkdirSync(fsPath(target));
    fs.chmodSync(fsPath(target), 0o755);
    if (epochSeconds !== null) setTimes(fsPath(target), epochSeconds * 1_000_000_000n, epochSeconds * 1_000_000_000n);
  }

  /** `fresh`: the target is new and empty, nothing can be in the way. */
  #dir(source: ByteString, target: ByteString, fresh: boolean): void {
    for (const name of readNames(source)) {
      throwIfAborted(this.#context);
      this.#one(`${source}/${name}`, `${target}/${name}`, fresh);
    }
  }

  #one(source: ByteString, target: ByteString, fresh: boolean): void {
    const stat = fs.lstatSync(fsPath(source), { bigint: true });
    const type = typeOf(stat);
    if (type === undefined) return;
    const old = fresh ? undefined : tryLstat(target);
    if (type === "dir") {
      const merges = old !== undefined && typeOf(old) === "dir";
      if (old !== undefined && !merges) removeTree({ path: target }, this.#context);
      // Writable until it is full; its own mode comes last.
      if (!merges) fs.mkdirSync(fsPath(target), 0o700);
      this.#dir(source, target, !merges);
      this.#metadata(source, stat, target);
      return;
    }
    const place = old === undefined ? target : besideOf(target);
    try {
      this.#make(source, stat, place, target);
      if (old === undefined) return;
      if (typeOf(old) === "dir") removeTree({ path: target }, this.#context);
      fs.renameSync(fsPath(place), fsPath(target));
      // Renaming one name of a file onto another of the same file does nothing and leaves both.
      if (stat.nlink > 1n) fs.rmSync(fsPath(place), { force: true });
    } catch (error) {
      if (old !== undefined) fs.rmSync(fsPath(place), { force: true });
      throw error;
    }
  }

  #make(source: ByteString, stat: fs.BigIntStats, place: ByteString, target: ByteString): void {
    const first = this.#links.firstOf(stat, target);
    if (first !== undefined) {
      fs.linkSync(fsPath(first), fsPath(place));
      return;
    }
    switch (typeOf(stat)) {
      case "file":
        fs.copyFileSync(fsPath(source), fsPath(place), fs.constants.COPYFILE_FICLONE | fs.constants.COPYFILE_EXCL);
        this.bytes += Number(stat.size);
        this.#report(false);
        break;
      case "symlink":
        fs.symlinkSync(fsPath(fs.readlinkSync(fsPath(source), "latin1")), fsPath(place));
        break;
      default:
        makeDeviceNode(stat, place, target);
    }
    this.#metadata(source, stat, place);
  }

  #metadata(source: ByteString, stat: fs.BigIntStats, target: ByteString): void {
    const path = fsPath(target);
    const type = typeOf(stat);
    // libuv's copy gives the file its old owner where it may; taking it back clears setuid, so the mode comes after.
    if (type === "file" && (Number(stat.uid) !== UID || Number(stat.gid) !== GID)) fs.lchownSync(path, UID, GID);
    if (type !== "symlink") fs.chmodSync(path, Number(stat.mode) & 0o7777);
    if (type === "file" || type === "dir") {
      for (const [name, value] of contentXattrs(source)) trySetXattr(path, name, value);
    }
    const mtimeNs = this.#epochSeconds === null ? stat.mtimeNs : this.#epochSeconds * 1_000_000_000n;
    setTimes(path, mtimeNs, mtimeNs);
  }

  #report(last: boolean): void {
    const now = Date.now();
    if (!last && now - this.#reportedMs < PROGRESS_MS) return;
    this.#reportedMs = now;
    this.#context.progress({ kind: "bytes", bytes: this.bytes } satisfies JobProgress);
  }
}

/** Two trees in one folder may share folders, never files. */
function refuseCollisions(trees: readonly TreeInput[], context: JobContext): void {
  const seen = new Map<ByteString, string>();
  const visit = (tree: TreeInput, dir: ByteString): void => {
    const root = byteString(tree.path);
    for (const name of readNames(dir === "" ? root : `${root}/${dir}`)) {
      throwIfAborted(context);
      const path = dir === "" ? name : `${dir}/${name}`;
      const stat = fs.lstatSync(fsPath(`${root}/${path}`), { bigint: true });
      if (typeOf(stat) === "dir") {
        visit(tree, path);
        continue;
      }
      if (seen.has(path)) {
        throw new BuildError(
          `cannot overwrite ${textOf(path)} of one platform with another's when split option is disabled`,
          {
            code: "EXPORT_PATHS_COLLIDE",
            status: "InvalidArgument",
            hint: "leave platform-split out, so that each platform gets a folder of its own",
          },
        );
      }
      seen.set(path, tree.path);
    }
  };
  for (const tree of trees) if (tree.folder === "") visit(tree, "");
}

/** A tree, where in the target it lies, and files that lie beside its own. */
interface Kept {
  readonly source: ByteString;
  readonly folder: ByteString;
  readonly files: readonly ByteString[];
}

/** Removes from `target` what none of the sources has. */
function removeOthers(target: ByteString, sources: readonly Kept[], context: JobContext): void {
  const kept = new Map<ByteString, Kept[]>();
  for (const { source, folder, files } of sources) {
    if (folder !== "") {
      kept.set(folder, [...(kept.get(folder) ?? []), { source, folder: "", files }]);
      continue;
    }
    for (const name of readNames(source))
      kept.set(name, [...(kept.get(name) ?? []), { source: `${source}/${name}`, folder: "", files: [] }]);
    for (const name of files) if (!kept.has(name)) kept.set(name, []);
  }
  for (const name of readNames(target)) {
    throwIfAborted(context);
    const path = `${target}/${name}`;
    const inside = kept.get(name);
    if (inside === undefined) {
      removeTree({ path }, context);
      continue;
    }
    const before = tryLstat(path);
    if (before === undefined || typeOf(before) !== "dir") continue;
    const dirs = inside.filter(({ source }) => typeOf(fs.lstatSync(fsPath(source), { bigint: true })) === "dir");
    removeOthers(path, dirs, context);
    // Removing something inside has touched the folder.
    setTimes(fsPath(path), before.mtimeNs, before.mtimeNs);
  }
}

function makeDeviceNode(stat: fs.BigIntStats, place: ByteString, target: ByteString): void {
  const { major, minor } = deviceOf(stat);
  try {
    makeNode(fsPath(place), Number(stat.mode), major, minor);
  } catch (error) {
    if (errnoOf(error) !== "EPERM") throw error;
    throw new BuildError(`cannot make the device ${textOf(target)}: operation not permitted`, {
      code: "EXPORT_UNWRITABLE",
      status: "PermissionDenied",
      hint: "only root can make devices; export with -o type=tar instead",
      cause: error,
    });
  }
}

/** Attributes that the file system or our rights don't allow are left out, as BuildKit's client does. */
function trySetXattr(path: string | Buffer, name: string, value: Buffer): void {
  try {
    setXattr(path, name, value);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "EACCES") throw error;
  }
}

function besideOf(target: ByteString): ByteString {
  return `${target.slice(0, target.lastIndexOf("/") + 1)}.tmp.${randomBytes(6).toString("hex")}`;
}
