// One writer at a time among all processes that work on the networks of a state root. Within a process callers queue up first: a second flock
// of our own would wait for the first one on the very thread that has to release it.
// Spec: flock(2).

import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "../../base/index.ts";
import { lockFile } from "../../system/linux/index.ts";
import { networksDir } from "./records.ts";

const queues = new Map<string, Promise<unknown>>();

/** Runs `work` alone; others wait, in this process in the order they came. Its lock is gone with the process, however that ends. */
export async function withNetworksLocked<T>(root: string, work: () => Promise<T> | T): Promise<T> {
  const dir = networksDir(root);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  return withFileLocked(join(dir, "lock"), work);
}

/** The same for any lock file, which is made where it is missing. */
export async function withFileLocked<T>(path: string, work: () => Promise<T> | T): Promise<T> {
  const before = queues.get(path) ?? Promise.resolve();
  const turn = before.then(() => locked(path, work));
  const settled = turn.catch(() => {});
  queues.set(path, settled);
  try {
    return await turn;
  } finally {
    if (queues.get(path) === settled) queues.delete(path);
  }
}

async function locked<T>(path: string, work: () => Promise<T> | T): Promise<T> {
  const fd = openSync(path, "a+", 0o600);
  try {
    for (let waitMs = 1; !lockFile(fd, "exclusive"); waitMs = Math.min(waitMs * 2, 20)) await sleep(waitMs);
    return await work();
  } finally {
    closeSync(fd);
  }
}

/** Whether some process holds a lock on the file; a missing file is free. */
export function isHeld(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
  try {
    return !lockFile(fd, "exclusive");
  } finally {
    closeSync(fd);
  }
}
