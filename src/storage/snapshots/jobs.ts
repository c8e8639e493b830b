// The room's blocking work by name, for worker threads; each is a plain function as well.

import { directContext, type Job, type JobContext } from "../../system/workers/index.ts";
import { extractChanges, flattenLayers } from "./copy-layers.ts";
import { decompressBlob } from "./decompress-blob.ts";
import { diskUsage } from "./disk-usage.ts";
import { listFolder, stageChanges } from "./folder-changes.ts";
import { hashTree } from "./hash-tree.ts";
import { packLayer } from "./pack-layer.ts";
import { removeTree } from "./remove-tree.ts";
import { settleLayer } from "./settle-layer.ts";
import type { JobRunner } from "./snapshotter.ts";
import { unpackLayer } from "./unpack-layer.ts";

export const snapshotJobs: Readonly<Record<string, Job>> = {
  packLayer,
  unpackLayer,
  decompressBlob,
  settleLayer,
  removeTree,
  diskUsage,
  flattenLayers,
  extractChanges,
  hashTree,
  listFolder,
  stageChanges,
};

/** Runs jobs in the calling thread: for tests and for tools without a pool. */
export function directJobs(jobs: Readonly<Record<string, Job>> = snapshotJobs): JobRunner {
  return {
    run: async <I, O>(name: string, input: I, options: { signal?: AbortSignal | undefined } = {}): Promise<O> => {
      const job = jobs[name];
      if (job === undefined) throw new Error(`no such job: ${name}`);
      const context: JobContext = directContext(options.signal);
      return (await job(input, context)) as O;
    },
  };
}
