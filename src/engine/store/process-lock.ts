// Who is at work on a store. Every process holds a lock on a file in its own run folder; the kernel drops it however the process
// ends, so a lock that can be taken belongs to the dead. One shared lock on the whole store says that somebody is at work at all.

import { closeSync, mkdirSync, openSync, readdirSync, renameSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { lockFile } from "../../system/linux/index.ts";

export interface ProcessLock extends Disposable {
  /** Names this process among those on the store: letters and digits. */
  readonly id: string;
  /** This process's own folder; removed on a clean end. */
  readonly runDir: string;
  /** No other process was at work when this one came, and none comes until {@link ready} is called. */
  readonly alone: boolean;
  /** Lets other processes in. */
  ready(): void;
  /** Ids of processes that ended without cleaning up. */
  dead(): string[];
  /** Ids of processes at work, this one included. */
  living(): string[];
  isAlive(id: string): boolean;
}

const UNNAMED = "new-";

/** Registers this process with the store under `root`. */
export function lockProcess(root: string): ProcessLock {
  const runs = join(root, "run");
  mkdirSync(runs, { recursive: true, mode: 0o711 });
  const storeFd = openSync(join(root, "lock"), "a", 0o600);
  const alone = lockFile(storeFd, "exclusive");
  if (!alone) lockFile(storeFd, "shared", true);
  const id = `p${randomBytes(5).toString("hex")}`;
  const runDir = join(runs, id);
  // Locked before it has its name: a folder without a lock is always a dead one's.
  const unnamed = join(runs, `${UNNAMED}${id}`);
  mkdirSync(unnamed, { mode: 0o711 });
  const ownFd = openSync(join(unnamed, "lock"), "w", 0o600);
  lockFile(ownFd, "exclusive", true);
  renameSync(unnamed, runDir);

  const isAlive = (other: string): boolean => {
    if (other === id) return true;
    let fd: number;
    try {
      fd = openSync(join(runs, other, "lock"), "r");
    } catch {
      return false;
    }
    try {
      return !lockFile(fd, "shared");
    } finally {
      closeSync(fd);
    }
  };
  return {
    id,
    runDir,
    alone,
    ready: () => void lockFile(storeFd, "shared", true),
    dead: () => readdirSync(runs).filter((other) => (alone || !other.startsWith(UNNAMED)) && !isAlive(other)),
    living: () => readdirSync(runs).filter((other) => isAlive(other)),
    isAlive,
    [Symbol.dispose]: () => {
      closeSync(ownFd);
      closeSync(storeFd);
    },
  };
}
