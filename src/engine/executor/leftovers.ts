// What steps of a process that died leave: its runtimes, their containers, control groups. All carry the random name of the dead
// process: the runtime in its arguments, a container in the mounts of /etc/hosts and /etc/resolv.conf, which come from its bundle.
// So nobody else's process is ever taken for one of ours, whatever became of process numbers since.

import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How long a runtime may take to clean up after its container before it is killed itself. */
const PATIENCE_MS = 3000;

/**
 * Ends what the steps of a dead process left running and waits until it is gone.
 * @param runDir folder of that process, with its bundles; its last part is the name of the process.
 */
export async function killLeftovers(runDir: string): Promise<void> {
  const bundles = join(runDir, "bundles");
  const names = listDir(bundles);
  if (names.length === 0) return;
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const late = Date.now() > deadline;
    const { runtimes, containers } = findLeftovers(runDir);
    if (runtimes.length + containers.length === 0) break;
    // A runtime whose container ends removes its control group and state, then ends by itself.
    for (const pid of late ? [...containers, ...runtimes] : containers) tryKill(pid);
    if (Date.now() > deadline + PATIENCE_MS) break;
    await sleep(10);
  }
  for (const name of names) removeControlGroup(join(bundles, name));
}

/** Runtimes of the dead process, and every process inside (or about to be inside) one of its containers. */
function findLeftovers(runDir: string): { runtimes: number[]; containers: number[] } {
  const runtimes = new Set<number>();
  const containers = new Set<number>();
  const children = new Map<number, number[]>();
  const mark = `/${basename(runDir)}/bundles/`;
  for (const name of listDir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const args = read(`/proc/${pid}/cmdline`).split("\0");
    const bundle = args[args.indexOf("--bundle") + 1] ?? "";
    if (args.includes("run") && args.includes("--bundle") && bundle.startsWith(`${runDir}/bundles/`)) {
      runtimes.add(pid);
      continue;
    }
    if (read(`/proc/${pid}/mountinfo`).includes(mark)) containers.add(pid);
    const parent = Number(/^PPid:\s+(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  for (const pid of runtimes) for (const child of below(pid)) containers.add(child);
  return { runtimes: [...runtimes], containers: [...containers] };
}

/** A runtime that was killed too leaves its container's empty control groups. */
function removeControlGroup(bundle: string): void {
  const path = /"cgroupsPath":"(\/[^"\\]*)"/.exec(read(join(bundle, "config.json")))?.[1];
  if (path === undefined || basename(path) !== basename(bundle)) return;
  for (const hierarchy of ["", ...listDir("/sys/fs/cgroup")]) {
    try {
      rmdirSync(join("/sys/fs/cgroup", hierarchy, join("/", path)));
    } catch {
      // Not there: the runtime removed it, or somebody else's start did.
    }
  }
}

function listDir(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
