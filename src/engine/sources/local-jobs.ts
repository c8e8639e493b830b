// The local context's blocking work: hashing a folder through its filter, and turning it into a layer when it must be mounted.

import * as fs from "node:fs";
import { byteString, type Digest, fsPath, textOf } from "../../base/index.ts";
import { type HashRequest, TreeHasher } from "../../storage/snapshots/index.ts";
import { directContext, type Job, type JobContext } from "../../system/workers/index.ts";
import { openSourceTree, type SourceSpec } from "./local-tree.ts";
import { StatCache } from "./local-stat-cache.ts";

export interface HashLocalInput {
  readonly source: SourceSpec;
  readonly requests: readonly HashRequest[];
  /** Folder of the stat caches; absent: every file is read. */
  readonly cacheDir?: string | undefined;
}

/** One digest per request, as BuildKit would compute it for the transferred folder. @throws as `TreeHasher.hash`. */
export function hashLocal(input: HashLocalInput, _context: JobContext = directContext()): Digest[] {
  const root = textOf(fs.realpathSync(fsPath(byteString(input.source.root)), "latin1"));
  const cache = input.cacheDir === undefined ? undefined : StatCache.open(input.cacheDir, root);
  const hasher = new TreeHasher(openSourceTree({ ...input.source, root }, cache));
  const digests = input.requests.map((request) => hasher.hash(request));
  cache?.save();
  return digests;
}

export const localJobs: Readonly<Record<string, Job>> = { hashLocal };
