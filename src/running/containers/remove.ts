// Removing a container's files. The folder is renamed first: a container is there or not, whoever is killed meanwhile.

import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { byteString, errnoOf } from "../../base/index.ts";
import { removeTree } from "../../storage/snapshots/index.ts";

const REMOVED = ".removed-";

/** Removes the folder of a container that does not run, if it is there. */
export function removeContainer(dir: string): void {
  const gone = join(dirname(dir), `${REMOVED}${basename(dir)}`);
  try {
    renameSync(dir, gone);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
    removeTree({ path: byteString(gone) });
    renameSync(dir, gone);
  }
  removeTree({ path: byteString(gone) });
}

/** Finishes what removals that were killed began. */
export function finishRemovals(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder))
    if (name.startsWith(REMOVED)) removeTree({ path: byteString(join(folder, name)) });
}

/** A path of its own outside of the container's folder: a name, an anonymous volume. */
export function removeOutside(path: string): void {
  rmSync(path, { recursive: true, force: true });
}
