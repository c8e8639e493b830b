// What an image has where an empty volume is mounted becomes the volume's first content: owners, modes, times and attributes too. A copy that a
// crash cut short is marked, and made again from the start by the next one.
// Counterpart: moby/moby daemon/volumes_unix.go, whose rule is "only into an empty one".

import { closeSync, existsSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { resolveInside } from "../../engine/executor/index.ts";
import { directJobs } from "../../storage/snapshots/index.ts";
import { lockFile } from "../../system/linux/index.ts";

/**
 * Fills the folder `data` from `target` of the image's root if it is empty. Links on the way are resolved inside that root.
 * @param dir the volume's folder, where the lock and the mark are
 */
export async function fillFromImage(dir: string, data: string, imageRoot: string, target: string): Promise<void> {
  const source = resolveInside(imageRoot, target);
  if (source === undefined || !statSync(source).isDirectory()) return;
  const lock = openSync(join(dir, "lock"), "a+", 0o600);
  try {
    for (let waitMs = 1; !lockFile(lock, "exclusive"); waitMs = Math.min(waitMs * 2, 50)) await sleep(waitMs);
    const mark = join(dir, "copying");
    const names = readdirSync(data);
    if (existsSync(mark)) for (const name of names) rmSync(join(data, name), { recursive: true, force: true });
    else if (names.length > 0) return;
    closeSync(openSync(mark, "w", 0o600));
    await directJobs().run("flattenLayers", { lowerDirs: [source], target: data });
    rmSync(mark);
  } finally {
    closeSync(lock);
  }
}
