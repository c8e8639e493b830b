// The bytes of one file into another: large ones inside the kernel, small ones through a buffer, which is fewer calls.

import * as fs from "node:fs";
import { errnoOf } from "../../base/index.ts";
import { copyFileRange } from "../../system/linux/index.ts";
import { type JobContext, throwIfAborted } from "../../system/workers/index.ts";

const SMALL = 256 * 1024;
const buffer = Buffer.allocUnsafeSlow(SMALL);

/** Copies what is left of `from`, about `size` bytes, to `to`; both are descriptors. @throws as node's fs; an AbortError. */
export function copyContent(from: number, to: number, size: number, context: JobContext): void {
  if (size === 0) return;
  if (size > SMALL) {
    try {
      let copied = 0;
      for (let part = 1; part > 0; copied += part) {
        part = copyFileRange(from, to, 64 * 1024 * 1024);
        throwIfAborted(context);
      }
      // Files of some virtual file systems have sizes but copy as empty.
      if (copied > 0) return;
    } catch (error) {
      if (!["EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM", "EBADF"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
  for (let left = size; left > 0;) {
    const read = fs.readSync(from, buffer, 0, SMALL, null);
    if (read === 0) return;
    for (let at = 0; at < read;) at += fs.writeSync(to, buffer, at, read - at);
    left -= read;
    throwIfAborted(context);
  }
}
