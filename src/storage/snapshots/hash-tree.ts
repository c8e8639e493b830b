// Content hashes of folders on disk, as a job: views of layers, mostly. Hashers of trees that never change are kept, so that
// several steps that read one image hash each file once per thread.

import * as fs from "node:fs";
import { type ByteString, byteString, type Digest, fsPath } from "../../base/index.ts";
import { directContext, type JobContext } from "../../system/workers/index.ts";
import { entryDigest } from "./entry-digest.ts";
import { type HashableTree, type HashRequest, type NodeKind, TreeHasher } from "./tree-hasher.ts";

export interface HashTreeInput {
  readonly root: string;
  /** Same key, same unchanging tree: digests are kept for the next call. */
  readonly cacheKey?: string | undefined;
  readonly requests: readonly HashRequest[];
}

const MAX_KEPT = 4;
const kept = new Map<string, { root: string; hasher: TreeHasher }>();

/** One digest for each request. @throws as `TreeHasher.hash`. */
export function hashTree({ root, cacheKey, requests }: HashTreeInput, context: JobContext = directContext()): Digest[] {
  const hasher = hasherFor(root, cacheKey);
  return requests.map((request) => hasher.hash(request, context));
}

function hasherFor(root: string, cacheKey: string | undefined): TreeHasher {
  if (cacheKey === undefined) return new TreeHasher(new DiskTree(root));
  const known = kept.get(cacheKey);
  kept.delete(cacheKey);
  if (known !== undefined) {
    known.root = root;
    kept.set(cacheKey, known);
    return known.hasher;
  }
  // The same layers may be mounted elsewhere next time.
  const entry = { root, hasher: undefined as unknown as TreeHasher };
  entry.hasher = new TreeHasher(new DiskTree(() => entry.root));
  kept.set(cacheKey, entry);
  for (const oldest of kept.keys()) {
    if (kept.size <= MAX_KEPT) break;
    kept.delete(oldest);
  }
  return entry.hasher;
}

/** A folder on disk. */
export class DiskTree implements HashableTree {
  readonly #root: () => string;

  constructor(root: string | (() => string)) {
    this.#root = typeof root === "string" ? () => root : root;
  }

  list(dir: ByteString): { name: ByteString; kind: NodeKind }[] {
    return fs
      .readdirSync(fsPath(this.#at(dir)), { encoding: "latin1", withFileTypes: true })
      .map((entry) => ({ name: entry.name, kind: kindOfEntry(entry) }))
      .sort((one, two) => (one.name < two.name ? -1 : 1));
  }

  readLink(path: ByteString): ByteString {
    return fs.readlinkSync(fsPath(this.#at(path)), "latin1");
  }

  digest(path: ByteString, context?: JobContext): Digest {
    const at = this.#at(path);
    return entryDigest(at, fs.lstatSync(fsPath(at)), { context });
  }

  #at(path: ByteString): ByteString {
    const root = byteString(this.#root());
    return path === "" ? root : `${root}/${path}`;
  }
}

function kindOfEntry(entry: fs.Dirent): NodeKind {
  if (entry.isDirectory()) return "dir";
  return entry.isSymbolicLink() ? "symlink" : "other";
}
