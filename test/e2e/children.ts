// Waiting in tests that never lasts for ever: for a process to end, whether or not it has already; for something to come true.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** The exit code of a process, now or once it has ended; null where a signal ended it. @throws after `ms`, when it has been killed. */
export async function exitOf(child: ChildProcess, ms = 120_000): Promise<number | null> {
  if (hasEnded(child)) return child.exitCode;
  let late = false;
  const killer = setTimeout(() => (late = child.kill("SIGKILL")), ms);
  await once(child, "exit");
  clearTimeout(killer);
  if (late) throw new Error(`${child.spawnargs.join(" ")} had to be killed after ${ms / 1000} s`);
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
