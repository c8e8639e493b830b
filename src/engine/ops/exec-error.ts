// How a step that did not succeed is told. Counterpart: moby/buildkit frontend/gateway/pb exit errors, executor/oom_linux.go.

import { statfsSync } from "node:fs";
import { BuildError } from "../../base/index.ts";
import type { Exit } from "../executor/index.ts";

/** Exit codes that a shell gives to commands that it could not run. */
const shellHints: Readonly<Record<number, string>> = {
  126: "the command was found but could not be executed: is it executable, and built for this platform?",
  127: "a command was not found: is it installed in this stage, and on PATH?",
};

/** The error of a process that ended with an exit code that is not allowed; `rootPath` is its still mounted root. */
export function processFailed(args: readonly string[], exit: Exit, rootPath: string): BuildError {
  const reason = exit.outOfMemory ? "cannot allocate memory" : `exit code: ${exit.exitCode}`;
  const hint = exit.outOfMemory
    ? "the kernel killed the process because memory ran out: give the step or the machine more, or run fewer steps at once (--parallelism)"
    : isFull(rootPath)
      ? "the disk of the state directory is full: free some space, for example with: slipway prune"
      : shellHints[exit.exitCode];
  return new BuildError(`process ${JSON.stringify(args.join(" "))} did not complete successfully: ${reason}`, {
    code: exit.outOfMemory ? "OUT_OF_MEMORY" : "PROCESS_FAILED",
    exitCode: exit.exitCode,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A step that wrote until the disk was full leaves it so: its layer is only removed afterwards. */
function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < 64 * 1024;
  } catch {
    return false;
  }
}
