// Trees that are read where they are: a folder on disk as it is, or a user's folder as a build sees it (filtered, owned by
// root). Hashing and copying take either, so a local context is never copied before it is needed.

import * as fs from "node:fs";
import {
  BuildError,
  byteString,
  type ByteString,
  type Digest,
  digestOf,
  errnoOf,
  fsPath,
  textOf,
} from "../../base/index.ts";
import { DiskTree, entryDigest, type HashableTree, type NodeKind } from "../../storage/snapshots/index.ts";
import { directContext, type JobContext } from "../../system/workers/index.ts";
import { type LocalFilter, type LocalListing, listLocal } from "./local-filter.ts";
import type { StatCache } from "./local-stat-cache.ts";
import type { ReadFile } from "./shared-digests.ts";
import { WalkRecord } from "./walk-record.ts";

/** A tree to read from. Paths are relative to its root, "" is the root itself. */
export interface SourceTree extends HashableTree {
  /** Absolute folder on disk. */
  readonly root: ByteString;
  /** Owner that everything counts as having; undefined for the files' own. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** lstat of what the tree shows; undefined for what it does not. */
  stat(path: ByteString): fs.BigIntStats | undefined;
}

/** Which tree: plain data, so that it can be sent to a worker. */
export interface SourceSpec {
  readonly root: string;
  /** Present for a user's folder, absent for the rootfs of layers. */
  readonly local?: LocalFilter | undefined;
  /**
   * When the folder's content was hashed (nanoseconds since 1970): files changed later are refused, so that nothing is cached
   * under the digest of what it no longer is. Absent: not checked.
   */
  readonly hashedAtNs?: bigint | undefined;
  /** Names what a user's folder holds, where that is known: digests of equal versions need not be computed twice. */
  readonly version?: string | undefined;
}

/** Opens a tree for one job. Options only serve local folders. */
export function openSourceTree(spec: SourceSpec, options: LocalTreeOptions = {}): SourceTree {
  return spec.local === undefined
    ? new RootfsTree(spec.root)
    : new LocalTree(spec.root, spec.local, { hashedAtNs: spec.hashedAtNs, ...options });
}

/** Thrown by a local tree whose files would have to be read for longer than its options allow. */
export class TooMuchToRead extends Error {}

class RootfsTree extends DiskTree implements SourceTree {
  readonly root: ByteString;
  readonly owner = undefined;

  constructor(root: string) {
    super(root);
    this.root = byteString(root);
  }

  stat(path: ByteString): fs.BigIntStats | undefined {
    return tryLstat(path === "" ? this.root : `${this.root}/${path}`);
  }
}

export interface LocalTreeOptions {
  /** Digests from earlier builds. */
  readonly cache?: StatCache | undefined;
  readonly hashedAtNs?: bigint | undefined;
  /** Most bytes of files that are read for digests. Defaults to any number. */
  readonly readAtMost?: number | undefined;
  /** Whether `recorded` is going to be asked for records. Defaults to false. */
  readonly isRecorded?: boolean | undefined;
}

/** A user's folder through a filter. The listing is taken once, when first needed. */
export class LocalTree implements SourceTree {
  readonly root: ByteString;
  readonly owner = { uid: 0, gid: 0 };
  readonly #filter: LocalFilter;
  readonly #cache: StatCache | undefined;
  readonly #hashedAtNs: bigint | undefined;
  /** What the listing depends on. */
  readonly #listed: WalkRecord | undefined;
  /** What the work at hand depends on. */
  #record: WalkRecord | undefined;
  /** Files whose digests were asked for. */
  readonly #files = new Map<ByteString, ReadFile>();
  #readAhead: ((path: ByteString) => ReadFile | undefined) | undefined;
  #listing: LocalListing | undefined;
  #names = new Map<ByteString, Set<ByteString>>();
  #readLeft: number;

  constructor(root: string, filter: LocalFilter, options: LocalTreeOptions = {}) {
    this.root = byteString(root);
    this.#filter = filter;
    this.#cache = options.cache;
    this.#hashedAtNs = options.hashedAtNs;
    this.#readLeft = options.readAtMost ?? Infinity;
    if (options.isRecorded === true) this.#listed = new WalkRecord(this.root);
  }

  list(dir: ByteString): readonly { readonly name: ByteString; readonly kind: NodeKind }[] {
    this.#listing ??= listLocal(this.root, this.#filter, directContext(), this.#listed);
    return this.#listing.get(dir) ?? [];
  }

  /** Does work that asks this tree, and tells what it depended on; nothing where the tree is not recorded. */
  recorded<T>(work: () => T): { readonly value: T; readonly record: WalkRecord | undefined } {
    if (this.#listed === undefined) return { value: work(), record: undefined };
    this.list("");
    const record = this.#listed.copy();
    this.#record = record;
    try {
      return { value: work(), record };
    } finally {
      this.#record = undefined;
    }
  }

  readLink(path: ByteString): ByteString {
    return fs.readlinkSync(fsPath(this.#at(path)), "latin1");
  }

  /** What was read of this tree's files since it was opened: it is not read again. Files that `find` has nothing of are. */
  readAhead(find: (path: ByteString) => ReadFile | undefined): void {
    this.#readAhead = find;
  }

  /** The root's own header is that of nothing: what BuildKit's receiver of a context notes for it. */
  digest(path: ByteString, context?: JobContext): Digest {
    if (path === "") return digestOf("");
    const file = this.#files.get(path) ?? this.#read(path, context);
    this.#record?.addFile(path, file.stat);
    return file.digest;
  }

  #read(path: ByteString, context: JobContext | undefined): ReadFile {
    const ahead = this.#readAhead?.(path);
    if (ahead !== undefined) {
      this.#cache?.add(path, ahead.stat, ahead.digest);
      if (this.#listed !== undefined) this.#files.set(path, ahead);
      return ahead;
    }
    const at = this.#at(path);
    const stat = fs.lstatSync(fsPath(at));
    let digest = this.#cache?.find(path, stat);
    if (digest === undefined) {
      // An empty file costs its opening.
      this.#readLeft -= Math.max(4096, stat.size);
      if (this.#readLeft < 0) throw new TooMuchToRead();
      digest = entryDigest(at, stat, { owner: this.owner, context });
      this.#cache?.add(path, stat, digest);
    }
    const file = { stat, digest };
    if (this.#listed !== undefined) this.#files.set(path, file);
    return file;
  }

  stat(path: ByteString): fs.BigIntStats | undefined {
    if (path !== "") {
      const slash = path.lastIndexOf("/");
      const dir = path.slice(0, Math.max(0, slash));
      let names = this.#names.get(dir);
      if (names === undefined) {
        names = new Set(this.list(dir).map((entry) => entry.name));
        this.#names.set(dir, names);
      }
      if (!names.has(path.slice(slash + 1))) return undefined;
    }
    const stat = tryLstat(this.#at(path));
    if (
      stat !== undefined &&
      this.#hashedAtNs !== undefined &&
      stat.ctimeNs > this.#hashedAtNs &&
      !stat.isDirectory()
    ) {
      throw new BuildError(`${textOf(path)} changed while the build was running`, {
        code: "CONTEXT_CHANGED",
        status: "Aborted",
        hint: "run the build again",
        retryable: true,
      });
    }
    return stat;
  }

  #at(path: ByteString): ByteString {
    return path === "" ? this.root : `${this.root}/${path}`;
  }
}

function tryLstat(path: ByteString): fs.BigIntStats | undefined {
  try {
    return fs.lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
