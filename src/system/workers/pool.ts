// A pool of worker threads for blocking file work: whole jobs, one at a time per worker, first come first served.
// Workers start when a job needs one and keep the process alive only while they work.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { BuildError } from "../../base/index.ts";
import { errorFromFacts, type ReplyMessage, type RunMessage } from "./messages.ts";

export interface WorkerPoolOptions {
  /** Module that calls `serveJobs`. */
  readonly entry: URL;
  /** Most workers at once; defaults to the number of cores. */
  readonly size?: number;
}

export interface RunOptions {
  /** Aborting removes a waiting job at once; a running one is told, and `run` settles when it has stopped. */
  readonly signal?: AbortSignal | undefined;
  /** Called for each `progress(value)` of the job, in order, before `run` settles. */
  readonly onProgress?: ((value: unknown) => void) | undefined;
}

interface Task {
  readonly job: string;
  readonly input: unknown;
  readonly options: RunOptions;
  readonly flag: Int32Array;
  resolve(output: unknown): void;
  reject(error: unknown): void;
}

interface Member {
  readonly worker: Worker;
  task: Task | undefined;
  error: Error | undefined;
  isReady: boolean;
}

/** A worker that runs before the pool that will have it. */
let spare: { readonly entry: string; readonly worker: Worker } | undefined;

/**
 * Starts one worker now, for the first pool with this entry: a thread takes as long to start as the modules take to load that lead to that
 * pool. It never keeps the process alive.
 */
export function startSpareWorker(entry: URL): void {
  if (spare !== undefined) return;
  const worker = startWorker(entry);
  worker.unref();
  spare = { entry: entry.href, worker };
}

function startWorker(entry: URL): Worker {
  // Descriptors that C opened are closed by node, which would warn of each.
  return new Worker(entry, { execArgv: [], trackUnmanagedFds: false });
}

function takeSpare(entry: URL): Worker | undefined {
  if (spare?.entry !== entry.href) return undefined;
  const { worker } = spare;
  spare = undefined;
  return worker;
}

/** Runs named jobs in worker threads. Disposing ends the workers; jobs that still run or wait are rejected. */
export class WorkerPool implements AsyncDisposable {
  readonly size: number;
  readonly #entry: URL;
  readonly #members = new Set<Member>();
  readonly #waiting: Task[] = [];
  #nextId = 1;
  #closed = false;

  constructor({ entry, size = availableParallelism() }: WorkerPoolOptions) {
    this.#entry = entry;
    this.size = Math.max(1, size);
  }

  /**
   * Runs one job and resolves with its output (structured clone, as the input).
   *
   * @throws what the job throws: BuildErrors with code and hint, system errors with `code`; `signal.reason` when aborted;
   * WORKER_CRASHED when the thread dies under it.
   */
  run<I, O>(job: string, input: I, options: RunOptions = {}): Promise<O> {
    const { signal } = options;
    return new Promise<O>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      if (this.#closed) return reject(new Error("the worker pool is closed"));
      const flag = new Int32Array(new SharedArrayBuffer(4));
      const task: Task = {
        job,
        input,
        options,
        flag,
        resolve: (output) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(output as O);
        },
        reject: (error) => {
          signal?.removeEventListener("abort", onAbort);
          reject(error as Error);
        },
      };
      const onAbort = (): void => {
        Atomics.store(flag, 0, 1);
        const place = this.#waiting.indexOf(task);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        task.reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort);
      this.#waiting.push(task);
      this.#dispatch();
    });
  }

  /** Whether a worker has started, so that a job need not wait for that, as far as this thread has heard. */
  get isReady(): boolean {
    return this.#members.values().some((member) => member.isReady);
  }

  /** Starts one worker that is sure to be needed, while the caller has other things to do. */
  warmUp(): void {
    if (!this.#closed && this.#members.size === 0) this.#addMember().worker.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const task of this.#waiting.splice(0)) task.reject(new Error("the worker pool is closed"));
    await Promise.all([...this.#members].map((member) => member.worker.terminate()));
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const member = this.#idleMember();
      if (member === undefined) return;
      this.#start(member, this.#waiting.shift()!);
    }
  }

  #idleMember(): Member | undefined {
    for (const member of this.#members) if (member.task === undefined) return member;
    return this.#members.size < this.size ? this.#addMember() : undefined;
  }

  #start(member: Member, task: Task): void {
    member.task = task;
    member.worker.ref();
    const message: RunMessage = {
      id: this.#nextId++,
      job: task.job,
      input: task.input,
      abortFlag: task.flag.buffer as SharedArrayBuffer,
    };
    try {
      member.worker.postMessage(message);
    } catch (error) {
      // The input cannot be cloned: the caller's mistake, the worker never saw it.
      this.#finish(member)?.reject(error);
    }
  }

  #finish(member: Member): Task | undefined {
    const { task } = member;
    member.task = undefined;
    member.worker.unref();
    return task;
  }

  #addMember(): Member {
    const worker = takeSpare(this.#entry) ?? startWorker(this.#entry);
    const member: Member = { worker, task: undefined, error: undefined, isReady: false };
    this.#members.add(member);
    member.worker.on("message", (message: ReplyMessage) => this.#receive(member, message));
    member.worker.on("error", (error: unknown) => (member.error = error as Error));
    member.worker.on("exit", (exitCode) => {
      this.#members.delete(member);
      const error = this.#closed ? new Error("the worker pool is closed") : crash(member, exitCode);
      this.#finish(member)?.reject(error);
      if (!this.#closed) this.#dispatch();
    });
    return member;
  }

  #receive(member: Member, message: ReplyMessage): void {
    if (message.kind === "ready") {
      member.isReady = true;
      return;
    }
    if (message.kind === "progress") {
      member.task?.options.onProgress?.(message.value);
      return;
    }
    const task = this.#finish(member);
    if (task?.options.signal?.aborted) task.reject(task.options.signal.reason);
    else if (message.kind === "done") task?.resolve(message.output);
    else task?.reject(errorFromFacts(message.error));
    this.#dispatch();
  }
}

function crash(member: Member, exitCode: number): BuildError {
  const job = member.task?.job ?? "a job";
  return new BuildError(`a worker thread ended (exit code ${exitCode}) while it ran ${job}`, {
    code: "WORKER_CRASHED",
    status: "Internal",
    ...(member.error === undefined ? {} : { cause: member.error }),
  });
}
