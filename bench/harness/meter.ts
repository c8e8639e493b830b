// Measures commands: wall and processor time, peak memory and bytes written, of the command itself and of the daemons that it drives.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CpuGroup } from "../ci/cpu-group.ts";
import { readSteps } from "./steps.ts";
import type { Sample } from "./types.ts";

/** The daemons of a peer: their first process, and the control group that counts them and their containers. */
export interface Daemons {
  readonly pid: number;
  readonly group: CpuGroup | undefined;
}

export interface Command {
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly wantsSteps?: boolean | undefined;
}

let count = 0;

/** Runs commands at once, to their ends. @throws with the first failed one's output. */
export async function measure(
  commands: readonly Command[],
  folder: string,
  daemons?: Daemons,
): Promise<Sample & { readonly stdout: string; readonly stderr: string }> {
  const before = daemons === undefined ? undefined : stateOf(daemons);
  if (daemons !== undefined) resetPeaks(daemons.pid);
  const started = process.hrtime.bigint();
  const done = await Promise.all(commands.map((command) => runOne(command, folder)));
  const wallMs = Number(process.hrtime.bigint() - started) / 1e6;
  const after = daemons === undefined ? undefined : stateOf(daemons);
  const failed = done.find(({ code }) => code !== 0);
  if (failed !== undefined)
    throw new Error(`${failed.argv.join(" ")}\nexit code ${failed.code}\n${failed.stdout}${failed.stderr}`);
  const sum = (pick: (each: Finished) => number) => done.reduce((total, each) => total + pick(each), 0);
  const steps = commands.some(({ wantsSteps }) => wantsSteps === true) ? readSteps(done[0]!.stderr) : undefined;
  return {
    wallMs,
    cpuMs: plus(
      sum(({ cpuMs }) => cpuMs),
      before,
      after,
      ({ cpuMs }) => cpuMs,
    ),
    peakBytes: sum(({ peakBytes }) => peakBytes) + (after?.peakBytes ?? 0),
    writtenBytes: plus(
      sum(({ writtenBytes }) => writtenBytes),
      before,
      after,
      ({ writtenBytes }) => writtenBytes,
    ),
    steps,
    stdout: done.map(({ stdout }) => stdout).join(""),
    stderr: done.map(({ stderr }) => stderr).join(""),
  };
}

interface Finished {
  readonly argv: readonly string[];
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly writtenBytes: number;
}

/** `/proc/self/io` of a shell counts what the children that it waited for wrote. */
const WRAP =
  'report=$1; shift; /usr/bin/time -f "%U %S %M" -o "$report" "$@"; code=$?; cat /proc/$$/io >>"$report"; exit $code';

async function runOne({ argv, cwd, env }: Command, folder: string): Promise<Finished> {
  const report = join(folder, `time-${process.pid}-${++count}`);
  const child = spawn("sh", ["-c", WRAP, "sh", report, ...argv], {
    cwd,
    env: env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  const text = readFileSync(report, "utf8");
  rmSync(report, { force: true });
  const times = /^([\d.]+) ([\d.]+) (\d+)$/m.exec(text);
  return {
    argv,
    code,
    stdout,
    stderr,
    cpuMs: (Number(times?.[1]) + Number(times?.[2])) * 1000,
    peakBytes: Number(times?.[3]) * 1024,
    writtenBytes: Number(/^write_bytes: (\d+)/m.exec(text)?.[1] ?? 0),
  };
}

interface DaemonState {
  readonly cpuMs: number | undefined;
  readonly peakBytes: number;
  readonly writtenBytes: number | undefined;
}

function stateOf({ pid, group }: Daemons): DaemonState {
  const pids = treeOf(pid);
  const number = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);
  const texts = (name: string) => pids.map((each) => read(`/proc/${each}/${name}`));
  return {
    cpuMs: group?.usedMs() ?? ticksOf(pids),
    peakBytes: texts("status").reduce((sum, text) => sum + number(text, /^VmHWM:\s+(\d+)/m) * 1024, 0),
    writtenBytes: texts("io").reduce((sum, text) => sum + number(text, /^write_bytes: (\d+)/m), 0),
  };
}

/** User and system time of processes and of the children that they waited for. */
function ticksOf(pids: readonly number[]): number {
  const fields = pids.map((pid) => read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? []);
  return (
    fields.reduce((sum, each) => sum + [11, 12, 13, 14].reduce((all, at) => all + Number(each[at] ?? 0), 0), 0) * 10
  );
}

function resetPeaks(pid: number): void {
  for (const each of treeOf(pid)) {
    try {
      writeFileSync(`/proc/${each}/clear_refs`, "5");
    } catch {
      // Ended meanwhile.
    }
  }
}

function treeOf(pid: number): number[] {
  const tasks = list(`/proc/${pid}/task`);
  const children = tasks.flatMap((task) =>
    read(`/proc/${pid}/task/${task}/children`).trim().split(" ").filter(Boolean),
  );
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))];
}

function plus(
  own: number,
  before: DaemonState | undefined,
  after: DaemonState | undefined,
  pick: (state: DaemonState) => number | undefined,
): number | undefined {
  if (before === undefined || after === undefined) return own;
  const [from, to] = [pick(before), pick(after)];
  return from === undefined || to === undefined ? undefined : own + Math.max(0, to - from);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
