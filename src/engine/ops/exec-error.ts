// How a step that did not succeed is told. Counterpart: moby/buildkit frontend/gateway/pb exit errors, executor/oom_linux.go.

import { BuildError } from "../../base/index.ts";
import type { Exit } from "../executor/index.ts";

/** Exit codes that a shell gives to commands that it could not run. */
const shellHints: Readonly<Record<number, string>> = {
  126: "the command was found but could not be executed: is it executable, and built for this platform?",
  127: "a command was not found: is it installed in this stage, and on PATH?",
};

/** The error of a process that ended with an exit code that is not allowed. */
export function processFailed(args: readonly string[], exit: Exit): BuildError {
  const reason = exit.outOfMemory ? "cannot allocate memory" : `exit code: ${exit.exitCode}`;
  const hint = exit.outOfMemory
    ? "the kernel killed the process because memory ran out: give the step or the machine more, or run fewer steps at once (--parallelism)"
    : shellHints[exit.exitCode];
  return new BuildError(`process ${JSON.stringify(args.join(" "))} did not complete successfully: ${reason}`, {
    code: exit.outOfMemory ? "OUT_OF_MEMORY" : "PROCESS_FAILED",
    exitCode: exit.exitCode,
    ...(hint === undefined ? {} : { hint }),
  });
}
