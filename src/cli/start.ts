// The wiring of the command: the command line to the verbs, the process to the shell port.

import { enterMountNamespace } from "./namespace.ts";
import { processShell } from "./process-shell.ts";
import { runCli } from "./run-cli.ts";

const DAY_MS = 86_400_000;

/** Runs the command line of this process to its end; its exit code becomes the process's. */
export async function start(): Promise<void> {
  // Node ends, as if all were well, when nothing but what does not hold it open is waited for: an idle worker that is being stopped, say.
  const open = setInterval(() => undefined, DAY_MS);
  try {
    process.exitCode = await runCli(process.argv.slice(2), processShell(), enterMountNamespace);
  } finally {
    clearInterval(open);
  }
}
