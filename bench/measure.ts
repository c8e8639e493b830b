// Timing of whole commands, as a shell sees them, and their peak memory.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Run {
  readonly wallMs: number;
  /** Largest resident set of the command and its waited-for children. */
  readonly peakBytes: number;
}

/** Runs a command to its end. @throws with its output when it fails. */
export function run(
  argv: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Run {
  const report = `/tmp/slipway-bench-${process.pid}.time`;
  const timed = ["/usr/bin/time", "-f", "%e %M", "-o", report, ...argv];
  const started = process.hrtime.bigint();
  const result = spawnSync(timed[0]!, timed.slice(1), { ...options, encoding: "utf8", maxBuffer: 1 << 28 });
  const wallMs = Number(process.hrtime.bigint() - started) / 1e6;
  if (result.status !== 0) throw new Error(`${argv.join(" ")}\n${result.stdout}${result.stderr}`);
  const [, kilobytes] = readFileSync(report, "utf8").trim().split("\n").at(-1)!.split(" ");
  return { wallMs, peakBytes: Number(kilobytes) * 1024 };
}

/** The best of several runs: what the machine can do when nobody disturbs. */
export function best(times: number, once: () => Run): Run {
  const runs = Array.from({ length: times }, once);
  return {
    wallMs: Math.min(...runs.map((each) => each.wallMs)),
    peakBytes: Math.max(...runs.map((each) => each.peakBytes)),
  };
}

export function ms(value: number): string {
  return value >= 10_000
    ? `${(value / 1000).toFixed(1)} s`
    : value >= 1000
      ? `${(value / 1000).toFixed(2)} s`
      : `${value.toFixed(0)} ms`;
}

export function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
