// Digests of a user's folder. Steps that ask at the same time are answered by one walk where the folder was read before: then a walk is
// nearly all there is to do, and where no worker runs yet a small one takes less time here than starting a worker. A folder that nobody has
// read is walked by as many workers as there are steps, and all that are free read its files where they are many. What a session sent and says is as it was is not walked again at all.

import type { Digest } from "../../base/index.ts";
import type { HashRequest } from "../../storage/snapshots/index.ts";
import type { WorkerPool } from "../../system/workers/index.ts";
import { errorFromFacts } from "../../system/workers/index.ts";
import { abandonSharedFiles, fillIn, hashLocalHere, recallLocal, unanswered, wasHashed } from "../sources/index.ts";
import type { HashLocalInput, HashLocalOutcome, SharedFiles, SourceSpec } from "../sources/index.ts";

interface Waiter {
  readonly requests: readonly HashRequest[];
  readonly signal: AbortSignal;
  readonly resolve: (digests: Digest[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Folders of which digests are kept: of a session's folder each state is another one. */
const MAX_VERSIONS = 256;
/** Most files that are looked at in the main thread to see whether any has changed: a quarter of a second. */
const QUICK_LOOK = 100_000;
/** Of one state of a folder: more than builds ask for. */
const MAX_ANSWERS = 1024;

/** One for an engine. */
export class LocalDigests {
  readonly #workers: WorkerPool;
  readonly #cacheDir: string;
  /** Who waits for the next walk of a folder; a folder has an entry while walks of it are under way. */
  readonly #waiting = new Map<SourceSpec, Waiter[]>();
  /** Digests by request, by the version of the folder; the one used last comes last. */
  readonly #known = new Map<string, Map<string, readonly Digest[]>>();

  /** @param cacheDir where digests of files are remembered */
  constructor(workers: WorkerPool, cacheDir: string) {
    this.#workers = workers;
    this.#cacheDir = cacheDir;
  }

  /**
   * One digest per request.
   *
   * @param source the same object for the same folder: only those are read together
   * @throws as `hashLocal`; `signal.reason` when aborted.
   */
  async digests(source: SourceSpec, requests: readonly HashRequest[], signal: AbortSignal): Promise<Digest[]> {
    signal.throwIfAborted();
    if (source.version === undefined) return this.#compute(source, requests, signal);
    const answers = this.#known.get(source.version) ?? new Map<string, readonly Digest[]>();
    this.#known.delete(source.version);
    this.#known.set(source.version, answers);
    if (this.#known.size > MAX_VERSIONS) this.#known.delete(this.#known.keys().next().value!);
    const asked = JSON.stringify([source.local, requests]);
    const known = answers.get(asked);
    if (known !== undefined) return [...known];
    const digests = await this.#compute(source, requests, signal);
    if (answers.size < MAX_ANSWERS) answers.set(asked, digests);
    return digests;
  }

  #compute(source: SourceSpec, requests: readonly HashRequest[], signal: AbortSignal): Promise<Digest[]> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { requests, signal, resolve, reject };
      const waiting = this.#waiting.get(source);
      if (waiting !== undefined) waiting.push(waiter);
      else if (wasHashed(this.#cacheDir, source)) {
        this.#waiting.set(source, [waiter]);
        // Steps that depend on one folder ask in one turn of the loop.
        setImmediate(() => void this.#walk(source));
      } else void this.#hash(source, [waiter], signal);
    });
  }

  /** Walks until nobody waits any more. */
  async #walk(source: SourceSpec): Promise<void> {
    for (;;) {
      const waiters = this.#waiting.get(source)!.splice(0);
      if (waiters.length === 0) break;
      const controller = new AbortController();
      const abort = () => {
        if (waiters.every(({ signal }) => signal.aborted)) controller.abort(waiters[0]!.signal.reason);
      };
      for (const { signal } of waiters) signal.addEventListener("abort", abort);
      abort();
      await this.#hash(source, waiters, controller.signal);
      for (const { signal } of waiters) signal.removeEventListener("abort", abort);
    }
    this.#waiting.delete(source);
  }

  async #hash(source: SourceSpec, waiters: readonly Waiter[], signal: AbortSignal): Promise<void> {
    const groups = waiters.map(({ requests }) => requests);
    try {
      const outcomes = await this.#outcomes({ source, groups, cacheDir: this.#cacheDir }, signal);
      for (const [at, { resolve, reject, signal: own }] of waiters.entries()) {
        const outcome = outcomes[at]!;
        if (own.aborted) reject(own.reason);
        else if (outcome.kind === "hashed") resolve([...outcome.digests]);
        else reject(errorFromFacts(outcome.error));
      }
    } catch (error) {
      for (const { reject } of waiters) reject(error);
    }
  }

  async #outcomes(input: HashLocalInput, signal: AbortSignal): Promise<readonly HashLocalOutcome[]> {
    if (this.#workers.isReady) return await this.#run(input, signal);
    const recalled = recallLocal(input, QUICK_LOOK);
    const rest = unanswered(input, recalled);
    if (rest.length === 0) return fillIn(recalled, []);
    const hasChanged = !recalled.includes("large");
    return fillIn(recalled, await this.#walkRest({ ...input, groups: rest, hasChanged }, signal));
  }

  #walkRest(input: HashLocalInput, signal: AbortSignal): readonly HashLocalOutcome[] | Promise<HashLocalOutcome[]> {
    const found = input.hasChanged === true ? hashLocalHere({ ...input, cacheDir: this.#cacheDir }) : undefined;
    // Something changed: a step is going to run, and needs a worker by then.
    if (found?.hasNews === true) this.#workers.warmUp();
    return found?.outcomes ?? this.#run(input, signal);
  }

  async #run(input: HashLocalInput, signal: AbortSignal): Promise<HashLocalOutcome[]> {
    const done = new AbortController();
    const onProgress = (value: unknown) => this.#help(value as SharedFiles, done.signal);
    try {
      return await this.#workers.run("hashLocal", input, { signal, onProgress });
    } finally {
      done.abort();
    }
  }

  /** All others read files, too. */
  #help(shared: SharedFiles, signal: AbortSignal): void {
    for (let helper = 1; helper < this.#workers.size; helper++) {
      this.#workers
        .run<SharedFiles, void>("readSharedFiles", shared, { signal })
        .catch(() => abandonSharedFiles(shared));
    }
  }
}
