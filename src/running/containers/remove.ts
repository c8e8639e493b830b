// Removing a container's files. The folder is renamed first: a container is there or not, whoever is killed meanwhile. Several may
// remove the same at once: a command, the supervisor, other commands' sweeps.

import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { byteString, errnoOf } from "../../base/index.ts";
import { removeTree } from "../../storage/snapshots/index.ts";
import { unlessMaking } from "../../system/linux/index.ts";

const REMOVED = ".removed-";
/** In front of a folder that is not even locked by its maker yet. */
export const UNNAMED = ".new-";

/** Removes the folder of a container that does not run, if it is there. */
export function removeContainer(dir: string): void {
  const gone = join(dirname(dir), `${REMOVED}${basename(dir)}`);
  for (let attempt = 0; ; attempt++) {
    try {
      renameSync(dir, gone);
      break;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      if ((errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") || attempt > 10) throw error;
      removeTogether(gone);
    }
  }
  removeTogether(gone);
}

/** Finishes what removals and makers that were killed began. */
export function finishRemovals(folder: string): void {
  if (!existsSync(folder)) return;
  const names = readdirSync(folder);
  for (const name of names) if (name.startsWith(REMOVED)) removeTogether(join(folder, name));
  const isUnnamed = (name: string) => name.startsWith(UNNAMED);
  if (!names.some(isUnnamed)) return;
  unlessMaking(folder, () => {
    for (const name of readdirSync(folder).filter(isUnnamed)) removeTogether(join(folder, name));
  });
}

/** A path of its own outside of the container's folder: a name, an anonymous volume. */
export function removeOutside(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** Others may remove the same: what is gone already is fine. */
function removeTogether(path: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      removeTree({ path: byteString(path) });
      return;
    } catch (error) {
      if (attempt > 20 || errnoOf(error) !== "ENOENT") throw error;
    }
  }
}
