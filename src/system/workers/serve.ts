// The worker's side: runs one job at a time, synchronously or not, and answers with its output, its progress or its error.
// A job stops early by polling `aborted()`: messages cannot reach a thread that is busy, a shared flag can.

import { parentPort } from "node:worker_threads";
import { errorToFacts, type ReplyMessage, type RunMessage } from "./messages.ts";

/** What a job may ask and tell while it runs. */
export interface JobContext {
  /** Whether the caller has given up. Costs nothing; jobs poll it once a file or a chunk. */
  aborted(): boolean;
  /** Sends a structured-clonable value to the caller's `onProgress`; buffers in `transfer` are handed over, not copied. */
  progress(value: unknown, transfer?: readonly ArrayBuffer[]): void;
}

// Inputs differ from job to job; the record is looked up by name, so only the caller of `run` knows the type.
// oxlint-disable-next-line typescript/no-explicit-any
export type Job = (input: any, context: JobContext) => unknown;

/** A context for calling a job directly: never aborted (unless a signal says so), progress dropped. */
export function directContext(signal?: AbortSignal): JobContext {
  return { aborted: () => signal?.aborted ?? false, progress: () => undefined };
}

/** @throws an AbortError when the job's caller has given up; what jobs call between files. */
export function throwIfAborted(context: JobContext): void {
  if (!context.aborted()) return;
  const error = new Error("The operation was aborted");
  Object.defineProperty(error, "name", { value: "AbortError", configurable: true });
  throw error;
}

/** Serves jobs to the pool that started this worker. Call once, from the worker's entry file. */
export function serveJobs(jobs: Readonly<Record<string, Job>>): void {
  const port = parentPort;
  if (port === null) throw new Error("serveJobs must be called in a worker thread");
  port.on("message", (message: RunMessage) => void answer(message));
  port.postMessage({ kind: "ready" } satisfies ReplyMessage);

  async function answer({ id, job, input, abortFlag }: RunMessage): Promise<void> {
    const reply = (message: ReplyMessage): void => port!.postMessage(message);
    const flag = new Int32Array(abortFlag);
    const context: JobContext = {
      aborted: () => Atomics.load(flag, 0) !== 0,
      progress: (value, transfer = []) =>
        port!.postMessage({ kind: "progress", id, value } satisfies ReplyMessage, [...transfer]),
    };
    try {
      const run = Object.hasOwn(jobs, job) ? jobs[job] : undefined;
      if (run === undefined) throw new Error(`no such job: ${job}`);
      reply({ kind: "done", id, output: await run(input, context) });
    } catch (error) {
      reply({ kind: "failed", id, error: errorToFacts(error) });
    }
  }
}
