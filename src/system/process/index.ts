export { runToEnd } from "./run-to-end.ts";
export type { ProcessOutput, RunToEndOptions } from "./run-to-end.ts";
export { spawnProcess } from "./spawn-process.ts";
export type { ExitStatus, ProcessOptions, RunningProcess } from "./spawn-process.ts";
