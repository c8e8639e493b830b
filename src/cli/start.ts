// The wiring of the command: the command line to the verbs, the process to the shell port.

import { enterMountNamespace } from "./namespace.ts";
import { processShell } from "./process-shell.ts";
import { runCli } from "./run-cli.ts";

/** Runs the command line of this process to its end; its exit code becomes the process's. */
export async function start(): Promise<void> {
  process.exitCode = await runCli(process.argv.slice(2), processShell(), enterMountNamespace);
}
