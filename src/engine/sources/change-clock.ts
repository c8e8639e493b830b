// Which changes of a folder's files could be followed by another one that looks the same: those of the same tick of the clock that stamps them. What
// was read right after such a change is not to be remembered by its times.

import * as fs from "node:fs";
import { type ByteString, fsPath } from "../../base/index.ts";

/**
 * File systems of this machine's own: their folders change their times with their names, and times come from the kernel's clock, which ticks at least every
 * hundredth of a second. ext, XFS, Btrfs, tmpfs, overlay, ZFS, F2FS, bcachefs. Unions and networks may show other folders' times and other clocks'.
 */
const LOCAL = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0xca451a4e]);
/** Ten ticks of the kernel's clock. */
const FINE_MS = 100;
/** Coarser than any file system's times: FAT's too; also something for a server's clock that goes wrong. */
const COARSE_MS = 2000;

export class ChangeClock {
  /** Whether the folder is on a file system whose times can be relied on. */
  readonly isLocal: boolean;
  readonly #openedMs = Date.now();

  /** Made before anything below `root` is looked at. */
  constructor(root: ByteString) {
    this.isLocal = isOnLocalDisk(root);
  }

  /** Whether a file or folder changed so late that it may change again unseen. */
  isRacy({ mtimeMs, ctimeMs }: Pick<fs.Stats, "mtimeMs" | "ctimeMs">): boolean {
    // Whole seconds: small inodes of ext have no more, whatever else the file system can do.
    const isFine = this.isLocal && ctimeMs % 1000 !== 0;
    return Math.max(mtimeMs, ctimeMs) > this.#openedMs - (isFine ? FINE_MS : COARSE_MS);
  }
}

function isOnLocalDisk(root: ByteString): boolean {
  try {
    return LOCAL.has(fs.statfsSync(fsPath(root)).type);
  } catch {
    return false;
  }
}
