// Bytes from one open file to another without a way through this process: blocks are shared where the file system can, else the kernel
// copies. Spec: copy_file_range(2).

import { errnoOf } from "../../base/index.ts";
import { copyFileRange } from "../../system/linux/index.ts";

/** A call that copies this much takes some tens of milliseconds: abortion and progress come between calls. */
const PART = 32 * 1024 * 1024;
/** Less is read and written as fast. */
export const WORTH_BYTES = 1024 * 1024;
const NOT_HERE = new Set(["EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM", "EBADF"]);

/**
 * Copies up to `size` bytes from where `from` stands to where `to` does, and moves both. Returns how many it copied: fewer where the
 * kernel can't do it between these files, or where `from` ends. `onPart` may throw.
 *
 * @throws ENOSPC and other system errors.
 */
export function copyInKernel(from: number, to: number, size: number, onPart: (bytes: number) => void): number {
  let copied = 0;
  while (copied < size) {
    let part: number;
    try {
      part = copyFileRange(from, to, Math.min(PART, size - copied));
    } catch (error) {
      if (NOT_HERE.has(errnoOf(error) ?? "")) return copied;
      throw error;
    }
    if (part === 0) return copied;
    copied += part;
    onPart(part);
  }
  return copied;
}
