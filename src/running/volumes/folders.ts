// Folders of volumes come and go whole: made under a name that is no volume's, and renamed; renamed again before they are removed. Whoever is
// killed at any instant leaves a volume or what the next command that looks clears away.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../base/index.ts";
import { unlessMaking, whileMaking } from "../../system/linux/index.ts";

/** In front of a folder that is being made. No volume's name begins with a dot. */
const UNBORN = ".new-";
const REMOVED = ".removed-";

export function volumesDir(root: string): string {
  return join(root, "volumes");
}

export function volumeDir(root: string, name: string): string {
  return join(root, "volumes", name);
}

/** Names of volumes, whole or not, in no order. */
export function volumeNames(root: string): string[] {
  return namesIn(volumesDir(root)).filter((name) => !name.startsWith("."));
}

/** Makes a volume's folder with its record and, if given, its first user; one that is there by now stays as it is. */
export function makeVolume(root: string, name: string, record: string, user: string | undefined): void {
  mkdirSync(volumesDir(root), { recursive: true, mode: 0o711 });
  const making = join(volumesDir(root), `${UNBORN}${randomBytes(8).toString("hex")}`);
  whileMaking(volumesDir(root), () => {
    try {
      mkdirSync(making, { mode: 0o711 });
      mkdirSync(join(making, "_data"), { mode: 0o755 });
      mkdirSync(join(making, "users"), { mode: 0o711 });
      if (user !== undefined) writeFileSync(join(making, "users", user), "");
      writeFileSync(join(making, "config.json"), record, { mode: 0o600 });
      giveName(making, root, name);
    } finally {
      removeTogether(making);
    }
  });
}

/** Gives a folder its name, if no volume has it. */
function giveName(made: string, root: string, name: string): void {
  for (;;) {
    try {
      renameSync(made, volumeDir(root, name));
      return;
    } catch (error) {
      if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
      if (existsSync(join(volumeDir(root, name), "config.json"))) return;
      // A removal that was cut short: what is left of it is nobody's.
      dropVolume(root, name);
    }
  }
}

/** Removes a volume and its files, if it is there. */
export function dropVolume(root: string, name: string): void {
  const gone = join(volumesDir(root), `${REMOVED}${randomBytes(8).toString("hex")}`);
  try {
    renameSync(volumeDir(root, name), gone);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  removeTogether(gone);
}

/** Removes what was made or removed by those who were killed, and the anonymous volumes of a container that never came to be. */
export function dropUnborn(root: string, containerId: string | undefined): void {
  const folder = volumesDir(root);
  const names = namesIn(folder);
  for (const name of names) {
    const path = join(folder, name);
    if (name.startsWith(REMOVED)) removeTogether(path);
    if (!/^[0-9a-f]{64}$/.test(name)) continue;
    const users = namesIn(join(path, "users"));
    const isTheirs = containerId !== undefined && users.length === 1 && users[0] === containerId;
    const isCut = users.length === 0 && !existsSync(join(path, "config.json")) && isOld(path);
    if (isTheirs || isCut) dropVolume(root, name);
  }
  const isUnborn = (name: string) => name.startsWith(UNBORN);
  if (!names.some(isUnborn)) return;
  unlessMaking(folder, () => {
    for (const name of namesIn(folder).filter(isUnborn)) removeTogether(join(folder, name));
  });
}

/** Names in a folder; none where there is no such folder. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Not of this moment: versions that made volumes in place may be about to. */
function isOld(path: string): boolean {
  const madeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
  return Date.now() - madeMs > 10_000;
}

/** Others may remove the same: what is gone already is fine. */
function removeTogether(path: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      rmSync(path, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt > 20 || errnoOf(error) !== "ENOENT") throw error;
    }
  }
}
