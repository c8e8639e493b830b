// A file op's actions in worker threads. A copy of many files is most of what many builds do, and making files is work of the kernel that one thread
// does at half of the machine's speed: folders are made first, by one, then all copy files into them, then folders get their times.

import { openSourceTree } from "../sources/index.ts";
import type { Job, JobContext, WorkerPool } from "../../system/workers/index.ts";
import { copierOf, type CopyAction, type FileActionsInput, runFileActions } from "./file-actions.ts";
import type { Copier, LaterCopies, LaterFolder, LaterMetadata } from "./file-copy.ts";
import { translateError } from "./file-errors.ts";
import { Destination } from "./file-paths.ts";

/** Half a second's work: with fewer files one thread alone is done before another has started. */
const MANY_FILES = 4000;
/** Files of one job. */
const PART = 1000;

type Workers = Pick<WorkerPool, "run" | "size">;

interface CopyPartInput extends FileActionsInput {
  readonly folders: readonly LaterFolder[];
}

interface FinishCopyInput extends CopyPartInput, Pick<LaterCopies, "links"> {
  readonly metadata: readonly LaterMetadata[];
}

/**
 * Runs the actions in one worker; where they are one copy of many files, in as many as there are.
 *
 * @throws as `runFileActions`, when no worker writes to the tree any more.
 */
export async function runInWorkers(workers: Workers, input: FileActionsInput, signal: AbortSignal): Promise<void> {
  if (!canShare(input) || workers.size < 2) return workers.run("runFileActions", input, { signal });
  const later = await workers.run<FileActionsInput, LaterCopies | undefined>("startCopy", input, { signal });
  if (later === undefined) return;
  const left = await copyParts(workers, input, { folders: later.folders, signal });
  await workers.run<FinishCopyInput, void>(
    "finishCopy",
    { ...input, ...later, folders: left.filter(({ names }) => names.length > 0) },
    { signal },
  );
}

/** Others than root may not write into folders that have got their mode already. */
function canShare({ actions }: FileActionsInput): boolean {
  const [first] = actions;
  return actions.length === 1 && first?.kind === "copy" && first.attemptUnpack !== true && process.geteuid?.() === 0;
}

async function copyParts(
  workers: Workers,
  { destRoot, actions, sources }: FileActionsInput,
  { folders, signal }: { readonly folders: readonly LaterFolder[]; readonly signal: AbortSignal },
): Promise<LaterFolder[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const outcomes = await Promise.allSettled(
    partsOf(folders).map(async (part) => {
      try {
        const input: CopyPartInput = { destRoot, actions, sources, folders: part };
        return await workers.run<CopyPartInput, LaterFolder[]>("copyPart", input, { signal: either });
      } catch (error) {
        // What the first says is what went wrong.
        failed.abort(failed.signal.reason ?? error);
        throw error;
      }
    }),
  );
  either.throwIfAborted();
  return outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
}

function partsOf(folders: readonly LaterFolder[]): LaterFolder[][] {
  const parts: LaterFolder[][] = [];
  let size = PART;
  for (const { from, to, names } of folders) {
    for (let at = 0; at < names.length; at += PART) {
      const some = names.slice(at, at + PART);
      if (size + some.length > PART) {
        parts.push([]);
        size = 0;
      }
      parts.at(-1)!.push({ from, to, names: some });
      size += some.length;
    }
  }
  return parts;
}

/** Makes folders and links; what is left to do, or nothing where that is little and done. */
async function startCopy(input: FileActionsInput, context: JobContext): Promise<LaterCopies | undefined> {
  const later: LaterCopies = { folders: [], metadata: [], links: new Map() };
  await runFileActions(input, context, { later });
  if (later.folders.reduce((sum, { names }) => sum + names.length, 0) >= MANY_FILES) return later;
  finishCopy({ ...input, ...later, folders: copyPart({ ...input, folders: later.folders }, context) }, context);
  return undefined;
}

function copyPart(input: CopyPartInput, context: JobContext): LaterFolder[] {
  return withCopier(input, context, (copier) => input.folders.map((folder) => copier.copyFiles(folder)));
}

function finishCopy(input: FinishCopyInput, context: JobContext): void {
  withCopier(input, context, (copier) => {
    for (const folder of input.folders) copier.copyRest(folder);
    for (const each of input.metadata) copier.finish(each);
  });
}

/** @throws as `runFileActions`. */
function withCopier<T>(
  input: FileActionsInput & Partial<FinishCopyInput>,
  context: JobContext,
  use: (copier: Copier) => T,
): T {
  const { destRoot, actions, sources, links } = input;
  const action = actions[0] as CopyAction;
  const spec = sources[action.source]!;
  try {
    return use(
      copierOf({ source: openSourceTree(spec), destination: new Destination(destRoot), action, context, links }),
    );
  } catch (error) {
    throw translateError(error, [destRoot, spec.root]);
  }
}

export const fileJobs: Readonly<Record<string, Job>> = {
  runFileActions: (input: FileActionsInput, context: JobContext) => runFileActions(input, context),
  startCopy,
  copyPart,
  finishCopy,
};
