export { WorkerPool } from "./pool.ts";
export type { RunOptions, WorkerPoolOptions } from "./pool.ts";
export { directContext, serveJobs, throwIfAborted } from "./serve.ts";
export type { Job, JobContext } from "./serve.ts";
