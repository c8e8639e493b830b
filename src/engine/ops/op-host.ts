// What every op of the engine works with, and the two questions that all of them ask of an input: its content's digest, and its
// tree as layers.

import { BuildError, digestOf, isAbort, messageOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { CacheDep } from "../../graph/solver/index.ts";
import type { CacheMounts, Ref, RefStore } from "../../storage/refs/index.ts";
import type { HashRequest, HashTreeInput } from "../../storage/snapshots/index.ts";
import { directContext } from "../../system/workers/index.ts";
import type { WorkerPool } from "../../system/workers/index.ts";
import type { Executor } from "../executor/index.ts";
import type { DepDigest } from "./cache-digest.ts";
import { type FileActionsInput, runFileActions } from "./file-actions.ts";
import { runInWorkers } from "./file-jobs.ts";
import { LocalDigests } from "./local-digests.ts";
import type { EngineResult } from "./results.ts";
import type { Selector } from "./selectors.ts";
import { smallActions } from "./small-actions.ts";

export interface OpHostOptions {
  readonly refs: RefStore;
  readonly cacheMounts: CacheMounts;
  readonly workers: WorkerPool;
  /** This process's own folder. */
  readonly runDir: string;
  /** Where digests of local files are remembered. */
  readonly statCacheDir: string;
  /** Made when the first step needs it. */
  readonly executor: () => Executor;
}

export class OpHost implements OpHostOptions {
  readonly refs: RefStore;
  readonly cacheMounts: CacheMounts;
  readonly workers: WorkerPool;
  readonly runDir: string;
  readonly statCacheDir: string;
  readonly executor: () => Executor;
  readonly #local: LocalDigests;

  constructor(options: OpHostOptions) {
    this.refs = options.refs;
    this.cacheMounts = options.cacheMounts;
    this.workers = options.workers;
    this.runDir = options.runDir;
    this.statCacheDir = options.statCacheDir;
    this.executor = options.executor;
    this.#local = new LocalDigests(options.workers, options.statCacheDir);
  }

  /** An op's dependencies as the solver takes them. */
  depsOf(deps: readonly DepDigest[]): CacheDep<EngineResult>[] {
    return deps.map(({ selector, content }) => ({
      ...(selector === undefined ? {} : { selector }),
      ...(content === undefined
        ? {}
        : { contentDigest: (input: EngineResult, context) => this.contentDigest(input, content, context.signal) }),
      ...(content?.some(isFiltered) === true
        ? {
            olderContentDigest: (input: EngineResult, context) =>
              this.contentDigest(input, content, context.signal, true),
          }
        : {}),
    }));
  }

  /** Digest of the selected parts of a result; of the whole tree when nothing is selected. */
  async contentDigest(
    result: EngineResult,
    selectors: readonly Selector[],
    signal: AbortSignal,
    older = false,
  ): Promise<Digest> {
    const chosen = selectors.length > 0 ? selectors : [{ path: "/" } as Selector];
    const requests = chosen.map((selector) => (older ? { ...requestOf(selector), older } : requestOf(selector)));
    try {
      const digests = await this.#hash(result, requests, signal);
      return digestOf(digests.join("\0"));
    } catch (error) {
      if (isAbort(error)) throw error;
      throw checksumFailed(result, error);
    }
  }

  /** The result as layers, valid until `stack` is disposed; a local folder is copied into a layer first. */
  async asRef(result: EngineResult, stack: AsyncDisposableStack, signal: AbortSignal): Promise<Ref> {
    if (result.kind === "ref") return result.ref;
    const ref = await this.materialize(result, signal);
    stack.defer(() => this.refs.release(ref));
    return ref;
  }

  /** A local folder as a layer of its own; the caller releases it. */
  async materialize(result: EngineResult & { kind: "local" }, signal: AbortSignal): Promise<Ref> {
    const scratch = this.refs.scratch();
    try {
      await using mutable = await this.refs.mutable(scratch, signal);
      const copy: FileActionsInput = {
        destRoot: mutable.path,
        sources: [result.folder.source],
        actions: [
          {
            kind: "copy",
            source: 0,
            src: "/",
            dest: "/",
            dirCopyContents: true,
            createDestPath: true,
            allowEmptyWildcard: true,
          },
        ],
      };
      await this.runFileActions(copy, signal);
      return await mutable.commit({ description: `local source for ${result.folder.name}`, type: "source.local" });
    } finally {
      this.refs.release(scratch);
    }
  }

  /** A file op's actions, in a worker; a few small files in this thread where no worker has started yet. @throws as `runFileActions`. */
  async runFileActions(input: FileActionsInput, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const sources = this.workers.isReady ? undefined : smallActions(input, this.statCacheDir);
    if (sources !== undefined) await runFileActions(input, directContext(signal), { sources });
    else await runInWorkers(this.workers, input, signal);
  }

  async #hash(result: EngineResult, requests: readonly HashRequest[], signal: AbortSignal): Promise<Digest[]> {
    if (result.kind === "local") {
      return this.#local.digests(result.folder.source, requests, signal);
    }
    await using view = await this.refs.view(result.ref, signal);
    const input: HashTreeInput = { root: view.path, cacheKey: result.ref.id, requests };
    return await this.workers.run<HashTreeInput, Digest[]>("hashTree", input, { signal });
  }
}

/** In BuildKit's words. */
function checksumFailed(result: EngineResult, error: unknown): BuildError {
  const of = result.kind === "local" ? result.folder.name : result.ref.id;
  const isMissing = messageOf(error).endsWith(": not found");
  const hint =
    isMissing && result.kind === "local"
      ? `nothing in ${result.folder.source.root} matches: check the path, and that .dockerignore does not leave it out`
      : undefined;
  return new BuildError(`failed to compute cache key: failed to calculate checksum of ref ${of}: ${messageOf(error)}`, {
    code: isMissing ? "SOURCE_MISSING" : "CHECKSUM_FAILED",
    status: isMissing ? "NotFound" : "Unknown",
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function isFiltered({ wildcard, includePatterns, excludePatterns }: Selector): boolean {
  return wildcard || includePatterns.length > 0 || excludePatterns.length > 0;
}

function requestOf(selector: Selector): HashRequest {
  return {
    path: selector.path.startsWith("/") ? selector.path : `/${selector.path}`,
    followLinks: selector.followLinks,
    wildcard: selector.wildcard,
    includePatterns: selector.includePatterns ?? [],
    excludePatterns: selector.excludePatterns ?? [],
    requiredPaths: selector.requiredPaths ?? [],
  };
}
