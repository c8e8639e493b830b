// A question that must be answered before something is removed.

import { createInterface } from "node:readline/promises";
import type { Shell } from "./command.ts";

/** Asks on stdout and reads one line; only `y` and `yes` are yes, the end of the input is no. */
export async function confirmed(shell: Shell, question: string): Promise<boolean> {
  shell.stdout.write(`${question} [y/N] `);
  const lines = createInterface({ input: shell.stdin });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    return false;
  } finally {
    lines.close();
  }
}
