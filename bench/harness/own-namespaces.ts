// Namespaces of the benchmark's own: engines' bridges disturb nobody's and nothing reaches outside; what it mounts goes with it; and when it is
// stopped, every engine that it has started stops with it, whatever it was doing.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { removeGroups } from "../ci/cpu-group.ts";

const INSIDE = "SLIPWAY_BENCH_FOLDER";

/** The folder that the program outside has made for this one and removes after it; undefined outside. */
export function folderFromOutside(): string | undefined {
  return process.env[INSIDE];
}

/** Runs this program again with `args` in new namespaces, and takes its exit code. SIGINT and SIGTERM end all that runs in them. */
export async function enterOwnNamespaces(args: readonly string[], folder: string): Promise<void> {
  // The shell stays: the first process of a namespace has to wait for others' children.
  const script = 'ip link set lo up; "$@"; code=$?; exit $code';
  const program = [process.execPath, ...process.execArgv, process.argv[1]!, ...args];
  const unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const [first, ...rest] = ["setpriv", "--pdeathsig", "KILL", "--", ...unshare, "--", "sh", "-c", script, "sh"];
  const child = spawn(first!, [...rest, ...program], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: folder },
  });
  const stop = () => child.kill("SIGKILL");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  const [code] = (await once(child, "exit")) as [number | null];
  await removeGroups(basename(folder));
  process.exitCode = code ?? 130;
}
