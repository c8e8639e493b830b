// How much room a layer directory takes: blocks of each inode once, hardlinks inside the directory counted once.

import * as fs from "node:fs";
import { byteString, fsPath } from "../../base/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";

/** With so many entries asking a worker takes less time. */
const QUICK_ENTRIES = 200;

/** Bytes on disk of everything below `path`. */
export function diskUsage({ path }: { path: string }, context: JobContext = directContext()): number {
  return usageOf(path, Infinity, context)!;
}

/** The same, where there is little below `path`; undefined where there is more. */
export function quickDiskUsage(path: string): number | undefined {
  return usageOf(path, QUICK_ENTRIES, directContext());
}

function usageOf(path: string, entriesAtMost: number, context: JobContext): number | undefined {
  let total = 0;
  let entriesLeft = entriesAtMost;
  const seen = new Set<number>();
  const stack = [byteString(path)];
  for (let dir = stack.pop(); dir !== undefined; dir = stack.pop()) {
    throwIfAborted(context);
    const entries = fs.readdirSync(fsPath(dir), { encoding: "latin1", withFileTypes: true });
    entriesLeft -= entries.length;
    if (entriesLeft < 0) return undefined;
    for (const entry of entries) {
      const inside = `${dir}/${entry.name}`;
      const stat = fs.lstatSync(fsPath(inside));
      if (entry.isDirectory()) stack.push(inside);
      else if (stat.nlink > 1) {
        if (seen.has(stat.ino)) continue;
        seen.add(stat.ino);
      }
      total += stat.blocks * 512;
    }
  }
  return total;
}
