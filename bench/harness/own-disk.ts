// A file system of the benchmark's own, in one file that is gone with it. ext4 looks at each file that was deleted in the last half minute before it
// makes one near it, so that work after a clean-up takes many times as long, and removing a million files takes longer than to measure them: here
// nothing small is removed at all.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MOST_BYTES = 64e9;
/** What is discarded keeps its inodes: a whole run makes more than four million files. */
const BYTES_PER_INODE = 4096;
/** Of blocks or inodes; with less free, what was discarded is removed after all. */
const LEAST_FREE_SHARE = 0.15;

export interface Disk extends Disposable {
  /** Frees the space of a file or folder, in little time; it is as good as removed. No-op where there is nothing. */
  readonly discard: (path: string) => void;
  /** Whether what is discarded costs nothing later. */
  readonly isOwn: boolean;
}

/** Mounts a new file system on `folder`, in this program's mount namespace; where that can't be done it says why, and `folder` is used as it is. */
export function ownDisk(folder: string, tell: (line: string) => void): Disk {
  try {
    mount(folder);
  } catch (error) {
    tell(
      `no file system of its own (${String(error).split("\n").at(-1)}): clean-ups disturb what is measured after them`,
    );
    return {
      isOwn: false,
      discard: (path) => rmSync(path, { recursive: true, force: true, maxRetries: 3 }),
      [Symbol.dispose]: () => undefined,
    };
  }
  const trash = join(folder, "discarded");
  mkdirSync(trash);
  let count = 0;
  return {
    isOwn: true,
    discard: (path) => {
      const aside = join(trash, String(count++));
      try {
        renameSync(path, aside);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
        throw error;
      }
      execFileSync("find", [aside, "-xdev", "-type", "f", "-size", "+1M", "-delete"]);
      if (freeShare(folder) > LEAST_FREE_SHARE) return;
      tell(
        "its file system is nearly full: what was discarded is removed, which takes a while and disturbs what is measured next",
      );
      rmSync(trash, { recursive: true, force: true, maxRetries: 3 });
      mkdirSync(trash);
    },
    // Whatever still has a file open ends with the namespace, and the file system with it.
    [Symbol.dispose]: () => void spawnSync("umount", ["-l", folder], { stdio: "ignore" }),
  };
}

/** Of blocks or of inodes, whichever is less. */
function freeShare(folder: string): number {
  const { bavail, blocks, ffree, files } = statfsSync(folder);
  return Math.min(bavail / blocks, ffree / files);
}

/** @throws with what the programs said. */
function mount(folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const image = `${folder}.disk`;
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  try {
    writeFileSync(image, "");
    truncateSync(image, Math.floor(Math.min(MOST_BYTES, bavail * bsize * 0.9)));
    run(
      "mkfs.ext4",
      "-q",
      "-i",
      String(BYTES_PER_INODE),
      "-E",
      "nodiscard,lazy_itable_init=1,lazy_journal_init=1",
      image,
    );
    const device = run("losetup", "--direct-io=on", "--find", "--show", image);
    try {
      run("mount", "-o", "noinit_itable", device, folder);
    } finally {
      // Kept while it is mounted.
      run("losetup", "--detach", device);
    }
  } finally {
    rmSync(image, { force: true });
  }
}
