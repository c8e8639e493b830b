// Where digests of local folders are remembered. Apart from the engine, so that the command can ask before the engine is loaded whether a
// worker is going to be needed.

import { readdirSync, realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { digestOf, hexOf } from "../../base/index.ts";

/** Most bytes of remembered digests, about 90 for each file, with which a folder is walked in less time than a thread takes to start. */
export const QUICK_MEMORY = 512 * 1024;

/** The folder of all memories, below the root of all state. */
export function contextMemoryDir(root: string): string {
  return join(root, "statcache");
}

/** The file of one folder's memory; `real` is the folder's real path. */
export function contextMemoryFile(dir: string, real: string): string {
  return join(dir, hexOf(digestOf(real)));
}

/** The file of the answers that one set of questions had about a folder; `name` tells it from other sets. */
export function answersFile(dir: string, real: string, name: string): string {
  return `${contextMemoryFile(dir, real)}-${name}`;
}

/** Whether a folder was read before by builds on this state root and is small, or may be known not to have changed. */
export function isQuickContext(root: string, folder: string): boolean {
  try {
    const dir = contextMemoryDir(root);
    const file = contextMemoryFile(dir, realpathSync(folder));
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? Infinity) <= QUICK_MEMORY) return true;
    return readdirSync(dir).some((name) => name.startsWith(`${basename(file)}-`));
  } catch {
    return false;
  }
}
