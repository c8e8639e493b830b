// Timing of whole commands, as a shell sees them, and their peak memory.

import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

export interface Run {
  readonly wallMs: number;
  /** Processor time of the command and its waited-for children: what other work on the machine disturbs least. */
  readonly cpuMs: number;
  /** Largest resident set of the command and its waited-for children. */
  readonly peakBytes: number;
}

export interface FinishedRun extends Run {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. @throws with its output when it fails. */
export function run(
  argv: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): FinishedRun {
  const report = `/tmp/slipway-bench-${process.pid}.time`;
  const timed = ["/usr/bin/time", "-f", "%U %S %M", "-o", report, ...argv];
  const started = process.hrtime.bigint();
  const result = spawnSync(timed[0]!, timed.slice(1), { ...options, encoding: "utf8", maxBuffer: 1 << 28 });
  const wallMs = Number(process.hrtime.bigint() - started) / 1e6;
  if (result.status !== 0) throw new Error(`${argv.join(" ")}\n${result.stdout}${result.stderr}`);
  const [user, system, kilobytes] = readFileSync(report, "utf8").trim().split("\n").at(-1)!.split(" ").map(Number);
  rmSync(report);
  const { stdout, stderr } = result;
  return { wallMs, cpuMs: (user! + system!) * 1000, peakBytes: kilobytes! * 1024, stdout, stderr };
}

/** The least of several runs: what the machine can do when nobody disturbs. */
export function least(runs: readonly Run[]): Run {
  return {
    wallMs: Math.min(...runs.map((each) => each.wallMs)),
    cpuMs: Math.min(...runs.map((each) => each.cpuMs)),
    peakBytes: Math.max(...runs.map((each) => each.peakBytes)),
  };
}

export function best(times: number, once: () => Run): Run {
  return least(Array.from({ length: times }, once));
}

/** Runs two things in turns, so that both meet the same machine, and gives the least of each. */
export function inTurns(times: number, ours: () => Run, theirs: () => Run): [ours: Run, theirs: Run] {
  const runs = Array.from({ length: times }, () => [ours(), theirs()] as const);
  return [least(runs.map(([each]) => each)), least(runs.map(([, each]) => each))];
}

/** `run` without what `base` takes anyway. */
export function minus(run: Run, base: Run): Run {
  return { ...run, wallMs: run.wallMs - base.wallMs, cpuMs: run.cpuMs - base.cpuMs };
}

/** Wall and processor time as text. */
export function times({ wallMs, cpuMs }: Run): string {
  return `${ms(wallMs)} (${ms(cpuMs)} CPU)`;
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
