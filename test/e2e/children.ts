// Waiting in tests that never lasts for ever: for a process to end, whether or not it has already; for something to come true.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** The exit code of a process, now or once it has ended; null where a signal ended it. */
export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}

/** Resolves once `met` says so. @throws what `otherwise` says, after `ms`. */
export async function until(
  met: () => boolean | Promise<boolean>,
  otherwise = () => "it did not come to that",
  ms = 60_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await met())) {
    if (performance.now() > end) throw new Error(`${ms / 1000} s have passed: ${otherwise()}`);
    await sleep(50);
  }
}
