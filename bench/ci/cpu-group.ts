// Processor time of an engine, its containers and what else runs in a control group, of either generation.

import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A control group that counts the processor time of an engine and its containers. */
export class CpuGroup {
  readonly path: string;
  readonly #usage: string | undefined;
  readonly #isUnified: boolean;

  constructor(path: string) {
    this.path = path;
    const unified = join("/sys/fs/cgroup", path);
    const separate = join("/sys/fs/cgroup/cpuacct", path);
    this.#isUnified = exists("/sys/fs/cgroup/cgroup.controllers");
    try {
      mkdirSync(this.#isUnified ? unified : separate, { recursive: true });
      this.#usage = this.#isUnified ? join(unified, "cpu.stat") : join(separate, "cpuacct.usage");
    } catch {
      this.#usage = undefined;
    }
  }

  /** Undefined on machines without such groups. */
  usedMs(): number | undefined {
    if (this.#usage === undefined) return undefined;
    const text = readFileSync(this.#usage, "utf8");
    return this.#isUnified ? Number(/^usage_usec (\d+)/m.exec(text)?.[1]) / 1000 : Number(text) / 1e6;
  }

  /** Waits a while for processes that are just ending. */
  async remove(): Promise<void> {
    await removeGroups(this.path);
  }
}

/** Removes the groups of all hierarchies whose names begin so; waits a while for processes that are just ending. */
export async function removeGroups(prefix: string): Promise<void> {
  const root = "/sys/fs/cgroup";
  const hierarchies = exists(join(root, "cgroup.controllers")) ? [root] : foldersOf(root);
  const groups = hierarchies.flatMap((each) => foldersOf(each).filter((path) => basename(path).startsWith(prefix)));
  // An engine that was killed in its work ends when the disk has taken what it wrote.
  let left = groups;
  for (let tries = 0; tries < 300 && left.length > 0; tries++) {
    left = left.filter((group) => !removeGroup(group));
    if (left.length > 0) await sleep(100);
  }
}

function foldersOf(path: string): string[] {
  if (!exists(path)) return [];
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.filter((each) => each.isDirectory()).map(({ name }) => join(path, name));
}

/** Whether nothing is left of it. */
function removeGroup(path: string): boolean {
  if (!exists(path)) return true;
  for (const each of foldersOf(path)) removeGroup(each);
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
