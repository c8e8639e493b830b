export { canRun, cannotRun, runnablePlatforms } from "./emulation.ts";
export { resolveInside } from "./inside.ts";
export { findProgram, findRuntimes } from "./runtime.ts";
export { killLeftovers } from "./leftovers.ts";
export type { DnsSettings } from "./network-files.ts";
export { RuntimeExecutor } from "./runtime-executor.ts";
export type { ContainerMount, ContainerProcess, Executor, Exit, RunOptions } from "./types.ts";
