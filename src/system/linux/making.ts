// What is made in a folder under a name that nobody looks for, and then renamed, is left half made by a maker that is killed. Makers hold the
// folder's lock, which the kernel drops with them: whoever gets it alone knows that all such names are dead ones'.

import { closeSync, constants, openSync } from "node:fs";
import { lockFile } from "./files.ts";

/** Calls `make`, which is short and makes something in `folder` and gives it its name. Many may at once. @throws what `make` throws */
export function whileMaking<T>(folder: string, make: () => T): T {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    lockFile(fd, "shared", true);
    return make();
  } finally {
    closeSync(fd);
  }
}

/** Calls `clear` if nobody makes anything in `folder` now; who wants to waits so long. Not called where folders can't be locked. */
export function unlessMaking(folder: string, clear: () => void): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if (canLock(fd)) clear();
  } finally {
    closeSync(fd);
  }
}

function canLock(fd: number): boolean {
  try {
    return lockFile(fd, "exclusive");
  } catch {
    // A file system of the network wants a file that is open for writing.
    return false;
  }
}
