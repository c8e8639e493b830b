// How much room a layer directory takes: blocks of each inode once, hardlinks inside the directory counted once.

import * as fs from "node:fs";
import { byteString, fsPath } from "../../base/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";

/** Bytes on disk of everything below `path`. */
export function diskUsage({ path }: { path: string }, context: JobContext = directContext()): number {
  let total = 0;
  const seen = new Set<number>();
  const stack = [byteString(path)];
  for (let dir = stack.pop(); dir !== undefined; dir = stack.pop()) {
    throwIfAborted(context);
    for (const entry of fs.readdirSync(fsPath(dir), { encoding: "latin1", withFileTypes: true })) {
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
