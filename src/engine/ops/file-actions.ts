// A file op's actions on one writable tree, in order: copy, mkfile, mkdir, symlink, rm. Plain data in, so that a whole op is
// one job of a worker thread. Paths of the tree are resolved inside it; nothing a rootfs holds leads out.
// Counterpart: moby/buildkit solver/llbsolver/file/backend.go.

import * as fs from "node:fs";
import { BuildError, byteString, type ByteString, errnoOf, fsPath } from "../../base/index.ts";
import { PatternMatcher } from "../../formats/patterns/index.ts";
import { removeTree } from "../../storage/snapshots/index.ts";
import { directContext, type JobContext } from "../../system/workers/index.ts";
import { openSourceTree, type SourceSpec, type SourceTree } from "../sources/index.ts";
import { Copier, type LaterCopies } from "./file-copy.ts";
import { fileError, pathError, translateError } from "./file-errors.ts";
import { parseSymbolicMode } from "./file-mode.ts";
import { type OwnerSpec, readOwner } from "./file-owner.ts";
import { Destination, makeDirs, type NewMetadata, resolveInside, setNewMetadata } from "./file-paths.ts";
import { isArchive, unpackArchive } from "./file-unpack.ts";
import { resolveWildcards } from "./file-wildcards.ts";

interface Common {
  /** Absent: a copy keeps owners, everything else belongs to root. */
  readonly owner?: OwnerSpec | undefined;
  /** Absent (LLB's -1): a copy keeps times, everything else has the present. */
  readonly timestampNs?: bigint | undefined;
}

export interface CopyAction extends Common {
  readonly kind: "copy";
  /** Index into the op's sources. */
  readonly source: number;
  readonly src: string;
  readonly dest: string;
  /** Permission bits for everything copied and for folders made; absent (LLB's -1) keeps them. */
  readonly mode?: number | undefined;
  /** Symbolic mode; overrules `mode`. */
  readonly modeStr?: string | undefined;
  readonly followSymlink?: boolean | undefined;
  readonly dirCopyContents?: boolean | undefined;
  readonly attemptUnpack?: boolean | undefined;
  readonly createDestPath?: boolean | undefined;
  readonly allowWildcard?: boolean | undefined;
  readonly allowEmptyWildcard?: boolean | undefined;
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  readonly alwaysReplaceExistingDestPaths?: boolean | undefined;
}

export type FileAction =
  | CopyAction
  | (Common & { readonly kind: "mkfile"; readonly path: string; readonly mode: number; readonly data: Uint8Array })
  | (Common & {
      readonly kind: "mkdir";
      readonly path: string;
      readonly mode: number;
      readonly makeParents?: boolean | undefined;
    })
  | (Common & { readonly kind: "symlink"; readonly oldPath: string; readonly newPath: string })
  | {
      readonly kind: "rm";
      readonly path: string;
      readonly allowNotFound?: boolean | undefined;
      readonly allowWildcard?: boolean | undefined;
    };

export interface FileActionsInput {
  /** The writable tree. */
  readonly destRoot: string;
  readonly actions: readonly FileAction[];
  readonly sources: readonly SourceSpec[];
}

export interface FileActionsOptions {
  /** Sources that are open already, by their index; the others are opened when an action asks for them. */
  readonly sources?: Map<number, SourceTree>;
  /** Takes what the caller is going to copy; absent: everything is copied. */
  readonly later?: LaterCopies;
}

/** @throws FILE_OP with Go's texts, BAD_PATTERN, TAR_INVALID …; an AbortError. The tree is then half changed. */
export async function runFileActions(
  input: FileActionsInput,
  context: JobContext = directContext(),
  { sources = new Map<number, SourceTree>(), later }: FileActionsOptions = {},
): Promise<void> {
  const destination = new Destination(input.destRoot);
  try {
    for (const action of input.actions) {
      switch (action.kind) {
        case "copy": {
          let source = sources.get(action.source);
          if (source === undefined) {
            const spec = input.sources[action.source];
            if (spec === undefined) throw new Error(`a copy from source ${action.source}, which was not given`);
            source = openSourceTree(spec);
            sources.set(action.source, source);
          }
          await copyAction({ source, destination, action, context, later });
          break;
        }
        case "mkfile":
          makeFile(destination, action);
          break;
        case "mkdir":
          makeDir(destination, action);
          break;
        case "symlink":
          makeSymlink(destination, action);
          break;
        case "rm":
          removeAction(destination, action);
          break;
      }
    }
  } catch (error) {
    throw translateError(error, [input.destRoot, ...input.sources.map((source) => source.root)]);
  }
}

/** Copies a whole source into the destination's root: what makes a local folder a layer when a step must mount it. */
export const COPY_EVERYTHING: CopyAction = {
  kind: "copy",
  source: 0,
  src: "/",
  dest: "/",
  dirCopyContents: true,
  createDestPath: true,
};

function metadataOf(action: Common): NewMetadata {
  return { owner: readOwner(action.owner), timeNs: action.timestampNs };
}

function makeFile(destination: Destination, action: FileAction & { kind: "mkfile" }): void {
  const metadata = metadataOf(action);
  const path = resolveInside(destination, byteString(action.path));
  const real = fsPath(destination.at(path));
  const flags = fs.constants.O_CREAT | fs.constants.O_TRUNC | fs.constants.O_WRONLY | fs.constants.O_NOFOLLOW;
  const existed = destination.stat(path) !== undefined;
  const fd = fs.openSync(real, flags | fs.constants.O_NONBLOCK, action.mode & 0o777);
  try {
    for (let at = 0; at < action.data.length;) at += fs.writeSync(fd, action.data, at);
    if (!existed) fs.fchmodSync(fd, action.mode & 0o777);
  } finally {
    fs.closeSync(fd);
  }
  setNewMetadata(destination.at(path), metadata);
}

function makeDir(destination: Destination, action: FileAction & { kind: "mkdir" }): void {
  const metadata = metadataOf(action);
  const path = resolveInside(destination, byteString(action.path));
  if (action.makeParents) {
    const made = makeDirs(destination, path, action.mode, metadata);
    // Each folder made has changed the time of the one above.
    for (const dir of made.toReversed())
      setNewMetadata(destination.at(dir), { owner: undefined, timeNs: metadata.timeNs });
    return;
  }
  const real = fsPath(destination.at(path));
  try {
    fs.mkdirSync(real, action.mode & 0o777);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    throw error;
  }
  fs.chmodSync(real, action.mode & 0o777);
  setNewMetadata(destination.at(path), metadata);
}

function makeSymlink(destination: Destination, action: FileAction & { kind: "symlink" }): void {
  const metadata = metadataOf(action);
  const path = destination.at(resolveInside(destination, byteString(action.newPath)));
  fs.symlinkSync(fsPath(byteString(action.oldPath)), fsPath(path));
  setNewMetadata(path, metadata);
}

function removeAction(destination: Destination, action: FileAction & { kind: "rm" }): void {
  if (!action.allowWildcard) return removeOne(destination, action.path, action.allowNotFound ?? false);
  const tree = openSourceTree({ root: Buffer.from(destination.root, "latin1").toString("utf8") });
  for (const path of resolveWildcards(tree, cleanPath(action.path), false)) {
    removeOne(destination, path, action.allowNotFound ?? false);
  }
}

function removeOne(destination: Destination, path: string, allowNotFound: boolean): void {
  const inner = resolveInside(destination, byteString(path), false);
  if (inner === "") throw fileError("rmPath: invalid empty path");
  if (!allowNotFound && destination.stat(resolveInside(destination, inner)) === undefined) {
    throw pathError("stat", inner, "ENOENT");
  }
  removeTree({ path: destination.at(inner) });
}

interface CopyRun {
  readonly source: SourceTree;
  readonly destination: Destination;
  readonly action: CopyAction;
  readonly context: JobContext;
  readonly later?: LaterCopies | undefined;
  readonly links?: LaterCopies["links"] | undefined;
}

/** What copies for an action. */
export function copierOf({ source, destination, action, context, later, links }: CopyRun): Copier {
  const { owner, timeNs } = metadataOf(action);
  return new Copier({
    source,
    destination,
    owner,
    timeNs,
    mode: modeOf(action),
    include: action.includePatterns?.length ? new PatternMatcher(action.includePatterns) : undefined,
    exclude: action.excludePatterns?.length ? new PatternMatcher(action.excludePatterns) : undefined,
    replaceExisting: action.alwaysReplaceExistingDestPaths ?? false,
    context,
    later,
    links,
  });
}

async function copyAction(run: CopyRun): Promise<void> {
  const { source, destination, action, context } = run;
  const src = cleanPath(action.src);
  const dest = cleanPath(action.dest);
  const metadata = metadataOf(action);
  if (!action.createDestPath) {
    const parent = parentOf(resolveInside(destination, byteString(dest)));
    if (destination.stat(parent) === undefined) {
      throw new BuildError(`failed to stat ${action.dest}: lstat /${parent}: no such file or directory`, {
        code: "FILE_OP",
        status: "NotFound",
      });
    }
  }
  let matches = [src];
  if (action.allowWildcard) {
    matches = resolveWildcards(source, src, action.followSymlink ?? false);
    if (matches.length === 0) {
      if (action.allowEmptyWildcard) return;
      throw fileError(`${src} not found`, "NotFound");
    }
  }
  const copier = copierOf(run);
  for (const match of matches) {
    if (action.attemptUnpack && (await tryUnpack({ source, destination, match, dest, metadata }, context))) continue;
    copyOne({ source, destination, match, dest, metadata, action, copier });
  }
}

interface OneCopy {
  readonly source: SourceTree;
  readonly destination: Destination;
  readonly match: string;
  readonly dest: string;
  readonly metadata: NewMetadata;
}

async function tryUnpack(
  { source, destination, match, dest, metadata }: OneCopy,
  context: JobContext,
): Promise<boolean> {
  const from = resolveInside(source, byteString(match));
  if (!source.stat(from)?.isFile()) return false;
  const path = `${source.root}/${from}`;
  if (!(await isArchive(path))) return false;
  const target = resolveInside(destination, byteString(dest));
  makeDirs(destination, target, 0o755, metadata);
  await unpackArchive(path, Buffer.from(destination.at(target), "latin1").toString("utf8"), metadata.owner, context);
  return true;
}

function copyOne(copy: OneCopy & { readonly action: CopyAction; readonly copier: Copier }): void {
  const { source, destination, match, dest, metadata, action, copier } = copy;
  const dirMode = action.mode ?? 0o755;
  const made: ByteString[] = [];
  const slash = dest.lastIndexOf("/");
  const last = dest.slice(slash + 1);
  const ensured = last !== "" && last !== "." ? dest.slice(0, slash + 1) : dest;
  made.push(...makeDirs(destination, resolveInside(destination, byteString(ensured)), dirMode, metadata));
  let target = resolveInside(destination, byteString(dest));

  const from = resolveInside(source, byteString(match), action.followSymlink ?? false);
  const stat = source.stat(from);
  if (stat === undefined) throw pathError("lstat", from, "ENOENT");
  const there = destination.stat(target);
  const contents = (action.dirCopyContents ?? false) && stat.isDirectory();
  if (stat.isDirectory() ? !action.dirCopyContents && there !== undefined : there?.isDirectory()) {
    const name = byteString(match.replace(/\/+\.?$/, "").replace(/^.*\//, ""));
    if (name !== "") target = target === "" ? name : `${target}/${name}`;
  }
  const parent = contents && there === undefined ? target : parentOf(target);
  made.push(...makeDirs(destination, parent, dirMode, metadata));
  copier.copy(from, target, contents && there === undefined);
  // What was copied in has changed the times of folders made on the way.
  if (metadata.timeNs !== undefined) {
    for (const dir of made.toReversed())
      setNewMetadata(destination.at(dir), { owner: undefined, timeNs: metadata.timeNs });
  }
}

function modeOf(action: CopyAction): ((mode: number, isDir: boolean) => number) | undefined {
  if (action.modeStr !== undefined && action.modeStr !== "") return parseSymbolicMode(action.modeStr);
  const { mode } = action;
  return mode === undefined ? undefined : () => mode & 0o7777;
}

function parentOf(path: ByteString): ByteString {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** Absolute and clean, but a trailing `/` or `/.` stays: it says "this is a folder". */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  const clean = `/${parts.join("/")}`;
  if (path.endsWith("/.")) return clean === "/" ? "/." : `${clean}/.`;
  return path.endsWith("/") && clean !== "/" ? `${clean}/` : clean;
}
