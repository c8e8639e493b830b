// The wiring of the command: the command line to the verbs, the process to the shell port.

import { enterMountNamespace } from "./namespace.ts";
import { processShell } from "./process-shell.ts";
import { runCli } from "./run-cli.ts";

const DAY_MS = 86_400_000;

/** Runs the command line of this process to its end; its exit code becomes the process's. */
export async function start(): Promise<void> {
  // Node ends, as if all were well, when nothing but what does not hold it open is waited for: an idle worker that is being stopped, say.
  const open = setInterval(() => undefined, DAY_MS);
  let code: number;
  try {
    code = await runCli(process.argv.slice(2), processShell(), enterMountNamespace);
  } finally {
    clearInterval(open);
  }
  await Promise.all([process.stdout, process.stderr].map(written));
  // All that was to be done is done. Left to itself, Node would take its memory apart, and close the store's database as if for good.
  process.exit(code);
}

/** Waits until a stream has handed over what was written to it, or has failed. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0) await new Promise((done) => stream.write("", done));
}
