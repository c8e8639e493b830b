// Removing trees of any size without following a link or running deep into the stack; folders without permission are opened up.

import * as fs from "node:fs";
import { type ByteString, errnoOf, fsPath } from "../../base/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";

/** Removes what is at `path` (a byte string), if anything; a symlink itself, a folder with all it holds. */
export function removeTree({ path }: { path: ByteString }, context: JobContext = directContext()): void {
  const stack: { dir: ByteString; opened: boolean }[] = [];
  const remove = (target: ByteString): void => {
    try {
      fs.unlinkSync(fsPath(target));
    } catch (error) {
      const code = errnoOf(error);
      if (code === "ENOENT") return;
      if (code === "EISDIR" || code === "EPERM") stack.push({ dir: target, opened: false });
      else throw error;
    }
  };
  remove(path);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    throwIfAborted(context);
    if (top.opened) {
      fs.rmdirSync(fsPath(top.dir));
      stack.pop();
      continue;
    }
    top.opened = true;
    for (const entry of list(top.dir)) {
      const inside = `${top.dir}/${entry.name}`;
      if (entry.isDirectory()) stack.push({ dir: inside, opened: false });
      else remove(inside);
    }
  }
}

function list(dir: ByteString): fs.Dirent[] {
  const options = { encoding: "latin1", withFileTypes: true } as const;
  try {
    return fs.readdirSync(fsPath(dir), options);
  } catch (error) {
    if (errnoOf(error) !== "EACCES") throw error;
    fs.chmodSync(fsPath(dir), 0o700);
    return fs.readdirSync(fsPath(dir), options);
  }
}
