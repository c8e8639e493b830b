// A network namespace of the benchmark's own: engines' bridges disturb nobody's, and nothing reaches outside.

import { spawnSync } from "node:child_process";

const INSIDE = "SLIPWAY_BENCH_NETWORK";

export function isInOwnNetwork(): boolean {
  return process.env[INSIDE] !== undefined;
}

/** Runs this program again with `args` in a new namespace, and takes its exit code. */
export function enterOwnNetwork(args: readonly string[]): void {
  const script = 'ip link set lo up && exec "$@"';
  const program = [process.execPath, ...process.execArgv, process.argv[1]!, ...args];
  const { status, error } = spawnSync("unshare", ["--net", "--", "sh", "-c", script, "sh", ...program], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "1" },
  });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
}
