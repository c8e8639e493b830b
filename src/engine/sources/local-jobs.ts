// The local context's blocking work: hashing a folder through its filter, and turning it into a layer when it must be mounted.

import * as fs from "node:fs";
import {
  BuildError,
  byteString,
  type ByteString,
  type Digest,
  digestOf,
  errnoOf,
  fsPath,
  isAbort,
  isBuildError,
  textOf,
} from "../../base/index.ts";
import { type HashableTree, type HashRequest, TreeHasher } from "../../storage/snapshots/index.ts";
import { directContext, errorToFacts, type ErrorFacts, type Job, type JobContext } from "../../system/workers/index.ts";
import { QUICK_MEMORY } from "../ports/index.ts";
import { LocalTree, openSourceTree, type SourceSpec, TooMuchToRead } from "./local-tree.ts";
import { LocalAnswers } from "./local-answers.ts";
import { StatCache } from "./local-stat-cache.ts";
import { readAllFiles, readSharedFiles, shareFiles } from "./shared-digests.ts";

/** Most bytes of files that are read where a thread is not worth its start. */
const QUICK_READ = 4 * 1024 * 1024;
/** With fewer files one thread is done before another has started. */
const MANY_FILES = 2000;

export interface HashLocalInput {
  readonly source: SourceSpec;
  /** Requests that fail or succeed together. */
  readonly groups: readonly (readonly HashRequest[])[];
  /** Folder of the stat caches; absent: every file is read. */
  readonly cacheDir?: string | undefined;
  /** Somebody has just seen that something changed since the same was asked before. Defaults to false. */
  readonly hasChanged?: boolean | undefined;
}

/** What became of one group: one digest per request, as BuildKit would compute it for the transferred folder, or the error. */
export type HashLocalOutcome =
  | { readonly kind: "hashed"; readonly digests: readonly Digest[] }
  | { readonly kind: "failed"; readonly error: ErrorFacts };

/**
 * Reads the folder once for all groups. Where many files of it are to be read the caller is told of them (`SharedFiles`, as progress): others may help with
 * `readSharedFiles` until this has ended, nobody has to.
 *
 * Errors of a group: CONTEXT_UNREADABLE when something that counts in it cannot be read; as `TreeHasher.hash`.
 * @throws CONTEXT_UNREADABLE when the folder itself can't be opened; `signal.reason` when aborted.
 */
export function hashLocal(input: HashLocalInput, context: JobContext = directContext()): readonly HashLocalOutcome[] {
  const recalled = input.hasChanged === true ? input.groups.map(() => "changed" as const) : recallLocal(input);
  const rest = unanswered(input, recalled);
  return rest.length === 0
    ? fillIn(recalled, [])
    : fillIn(recalled, hashGroups({ ...input, groups: rest }, context, Infinity).outcomes);
}

/** The groups that still have to be hashed. */
export function unanswered({ groups }: HashLocalInput, recalled: readonly Recalled[]): HashLocalInput["groups"] {
  return groups.filter((_, at) => typeof recalled[at] === "string");
}

/** What was recalled, with what the `unanswered` groups were hashed to, in their order. */
export function fillIn(recalled: readonly Recalled[], hashed: readonly HashLocalOutcome[]): HashLocalOutcome[] {
  const next = hashed.values();
  return recalled.map((outcome) => (typeof outcome === "string" ? next.next().value! : outcome));
}

/**
 * What each group had for answers in an earlier build, where nothing that counts for it has changed; in the calling thread. "changed" too where it was never asked;
 * "large" where more than `filesAtMost` files would have to be looked at.
 */
export function recallLocal(input: HashLocalInput, filesAtMost = Infinity): readonly Recalled[] {
  const { source, groups, cacheDir } = input;
  if (cacheDir === undefined || source.local === undefined) return groups.map(() => "changed");
  try {
    const real = { ...source, root: realRoot(source) };
    return groups.map((requests): Recalled => {
      const answers = new LocalAnswers(cacheDir, real, requests);
      if (answers.files > filesAtMost) return "large";
      const digests = answers.recall();
      return digests === undefined ? "changed" : { kind: "hashed", digests };
    });
  } catch (error) {
    // Whoever reads the folder says what is wrong with it.
    if (errnoOf(error) !== undefined) return groups.map(() => "changed");
    throw error;
  }
}

/** An outcome of an earlier build, or why there is none. */
export type Recalled = HashLocalOutcome | "changed" | "large";

/** What `hashLocalHere` found. */
export interface QuickHash {
  readonly outcomes: readonly HashLocalOutcome[];
  /** Whether files were read that have changed or are new: something is going to be built. */
  readonly hasNews: boolean;
}

/**
 * As `hashLocal`, in the calling thread, where that is nearly no work: a folder of some thousand files of which hardly any has changed.
 * Undefined where it would be more.
 */
export function hashLocalHere(input: HashLocalInput & { readonly cacheDir: string }): QuickHash | undefined {
  if (!isQuickFolder(input.cacheDir, input.source)) return undefined;
  try {
    return hashGroups(input, directContext(), QUICK_READ);
  } catch (error) {
    if (error instanceof TooMuchToRead) return undefined;
    throw error;
  }
}

function hashGroups(input: HashLocalInput, context: JobContext, readAtMost: number): QuickHash {
  const { source, groups, cacheDir } = input;
  try {
    const root = realRoot(source);
    const cache = cacheDir === undefined ? undefined : StatCache.open(cacheDir, root);
    const isRecorded = cacheDir !== undefined && source.local !== undefined;
    const tree = openSourceTree({ ...source, root }, { cache, readAtMost, isRecorded });
    // What is remembered is quicker to look up than to share.
    if (tree instanceof LocalTree && readAtMost === Infinity && cache?.isEmpty !== false)
      readTogether(tree, groups.flat(), context);
    const outcomes = groups.map((requests): HashLocalOutcome => {
      try {
        // What one group asked must not be known to the next: each is to have all that it depends on.
        const hasher = new TreeHasher(tree);
        const hash = () => requests.map((request) => hasher.hash(request, context));
        if (!isRecorded || !(tree instanceof LocalTree)) return { kind: "hashed", digests: hash() };
        const { value: digests, record } = tree.recorded(hash);
        if (record !== undefined) new LocalAnswers(cacheDir, { ...source, root }, requests).save(record, digests);
        return { kind: "hashed", digests };
      } catch (error) {
        if (isAbort(error) || error instanceof TooMuchToRead) throw error;
        return { kind: "failed", error: errorToFacts(unreadable(error, source.root)) };
      }
    });
    cache?.save();
    return { outcomes, hasNews: cache?.hasNews ?? true };
  } catch (error) {
    throw unreadable(error, source.root);
  }
}

/** Reads all files that requests are going to ask for, with those who help, where they are many. */
function readTogether(tree: LocalTree, requests: readonly HashRequest[], context: JobContext): void {
  const asked = new Set<ByteString>();
  const nothing = digestOf("");
  const names: HashableTree = {
    list: (dir) => tree.list(dir),
    readLink: (path) => tree.readLink(path),
    digest: (path) => {
      if (path !== "") asked.add(path);
      return nothing;
    },
  };
  const hasher = new TreeHasher(names);
  for (const request of requests) {
    try {
      hasher.hash(request, context);
    } catch (error) {
      // The same request says so again.
      if (isAbort(error)) throw error;
    }
  }
  if (asked.size < MANY_FILES) return;
  const paths = [...asked];
  const shared = shareFiles(tree.root, paths);
  context.progress(shared);
  tree.readAhead(readAllFiles(shared, paths, context));
}

/** Whether a folder was read before and has so few files that walking it takes less time than a thread to start. */
export function isQuickFolder(cacheDir: string, source: SourceSpec): boolean {
  return (rememberedBytes(cacheDir, source) ?? Infinity) <= QUICK_MEMORY;
}

/** Whether digests of the folder's files are remembered. */
export function wasHashed(cacheDir: string, source: SourceSpec): boolean {
  return rememberedBytes(cacheDir, source) !== undefined;
}

function rememberedBytes(cacheDir: string, source: SourceSpec): number | undefined {
  try {
    return StatCache.sizeOf(cacheDir, realRoot(source));
  } catch {
    return undefined;
  }
}

function realRoot(source: SourceSpec): string {
  return textOf(fs.realpathSync(fsPath(byteString(source.root)), "latin1"));
}

function unreadable(error: unknown, root: string): unknown {
  const code = errnoOf(error);
  if (code === undefined || isBuildError(error)) return error;
  const { path = root } = error as NodeJS.ErrnoException;
  const [what, hint] = REASONS[code] ?? [code, undefined];
  return new BuildError(`cannot read ${path} of the build context: ${what}`, {
    code: "CONTEXT_UNREADABLE",
    status: code === "ENOENT" ? "NotFound" : "PermissionDenied",
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  EACCES: ["permission denied", "change its permissions, or leave it out in .dockerignore"],
  EPERM: ["operation not permitted", "change its permissions, or leave it out in .dockerignore"],
  ENOENT: ["no such file or directory", "it may have been removed while it was read; run the build again"],
  ENOTDIR: ["not a directory", "give a folder as the context"],
  EIO: ["the disk reports an error", "check the disk"],
};

export const localJobs: Readonly<Record<string, Job>> = { hashLocal, readSharedFiles };
