// How much room a layer directory takes: blocks of each inode once, hardlinks inside the directory counted once.

import * as fs from "node:fs";
import { type ByteString, byteString, fsPath } from "../../base/index.ts";
import { canReadNames, NameReader } from "../../system/linux/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";

/** With so many entries asking a worker takes less time. */
const QUICK_ENTRIES = 200;
/** With fewer entries of a folder asking by name takes as long as asking by path. */
const MANY_NAMES = 16;

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
    const visit = (name: ByteString, isDir: boolean, { blocks, nlink, ino }: Usage): void => {
      if (isDir) stack.push(`${dir}/${name}`);
      else if (nlink > 1) {
        if (seen.has(ino)) return;
        seen.add(ino);
      }
      total += blocks * 512;
    };
    if (entries.length >= MANY_NAMES && canReadNames()) visitByName(dir, entries, visit);
    else {
      for (const entry of entries) visit(entry.name, entry.isDirectory(), fs.lstatSync(fsPath(`${dir}/${entry.name}`)));
    }
  }
  return total;
}

type Usage = Pick<fs.Stats, "blocks" | "nlink" | "ino">;

function visitByName(
  dir: ByteString,
  entries: readonly fs.Dirent[],
  visit: (name: ByteString, isDir: boolean, usage: Usage) => void,
): void {
  const names = Buffer.allocUnsafeSlow(entries.reduce((sum, { name }) => sum + name.length + 1, 0));
  const reader = new NameReader(names);
  const fd = fs.openSync(fsPath(dir), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  let next = 0;
  try {
    for (const entry of entries) {
      const at = next;
      next += names.write(`${entry.name}\0`, at, "latin1");
      // Node says why it can't be looked at.
      const usage = reader.look(fd, at)
        ? { blocks: reader.blocks, nlink: reader.links, ino: reader.numbers[1]! }
        : fs.lstatSync(fsPath(`${dir}/${entry.name}`));
      visit(entry.name, entry.isDirectory(), usage);
    }
  } finally {
    fs.closeSync(fd);
  }
}
