// A mount namespace of its own for verbs that mount, when the launcher did not make one: the process replaces itself once through
// unshare(1), so that every mount vanishes with it, however it ends.

import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { CommandDefinition } from "./command.ts";

/** Replaces this process by one in a private mount namespace, or returns where that is done, not needed or not possible. */
export function enterMountNamespace(_command: CommandDefinition): void {
  const { env } = process;
  if (env["SLIPWAY_NAMESPACE"] !== undefined || process.getuid?.() !== 0 || typeof process.execve !== "function")
    return;
  // Sockets of systemd do not outlive it; a unit has a namespace of its own to give.
  if (env["LISTEN_FDS"] !== undefined && Number(env["LISTEN_PID"]) === process.pid) return;
  const unshare = findProgram("unshare", env["PATH"] ?? "");
  if (unshare === undefined || spawnSync(unshare, ["-m", "true"]).status !== 0) return;
  const script = process.argv[1];
  if (script === undefined) return;
  const args = [
    unshare,
    "-m",
    "--propagation",
    "slave",
    "--",
    process.execPath,
    ...process.execArgv,
    script,
    ...process.argv.slice(2),
  ];
  process.execve(unshare, args, { ...definedOf(env), SLIPWAY_NAMESPACE: "private" });
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function findProgram(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((dir) => dir !== "")
    .map((dir) => join(dir, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
