export { errorFromFacts, errorToFacts } from "./messages.ts";
export type { ErrorFacts } from "./messages.ts";
export { startSpareWorker, WorkerPool } from "./pool.ts";
export type { RunOptions, WorkerPoolOptions } from "./pool.ts";
export { directContext, serveJobs, throwIfAborted } from "./serve.ts";
export type { Job, JobContext } from "./serve.ts";
