// The state directory itself: made where it is missing, and kept from being so full that nothing can be removed any more. A small
// file is held in reserve; whoever opens the store to free space gives it up first, because even that writes a little.

import { mkdirSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { getSystemErrorMessage } from "node:util";
import { BuildError, errnoOf } from "../../base/index.ts";

const RESERVE_BYTES = 1024 * 1024;
/** Below this nothing is taken into reserve: the disk is too small, or in need already. */
const ROOMY_BYTES = 16 * RESERVE_BYTES;

/** Makes the directory where there is none. @throws STATE_UNWRITABLE; DISK_FULL. */
export function makeRoot(root: string): void {
  try {
    makeFolders(root, 0o711);
    makeFolders(join(root, "tmp"), 0o700);
  } catch (error) {
    throw stateError(root, error);
  }
}

/** Puts room aside where there is plenty; never fails. */
export function keepReserve(root: string): void {
  const path = reservePath(root);
  try {
    if (statSync(path, { throwIfNoEntry: false }) !== undefined || freeBytes(root) < ROOMY_BYTES) return;
    writeFileSync(path, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 });
  } catch {
    rmSync(path, { force: true });
  }
}

/** Gives the reserve up where it is needed. */
export function spendReserve(root: string): void {
  if (freeBytes(root) < RESERVE_BYTES) rmSync(reservePath(root), { force: true });
}

/** An error of opening the store, told as what it is: a full disk has many faces, SQLite's among them. */
export function stateError(root: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === "ENOSPC" || errno === "EDQUOT" || (!(error instanceof BuildError) && isFull(root))) {
    return new BuildError(`no space left on the disk of the state directory ${root}`, {
      code: "DISK_FULL",
      status: "ResourceExhausted",
      hint: "free some space, for example with: slipway prune",
      cause: error,
    });
  }
  if (errno === undefined || error instanceof BuildError) return error;
  const reason = getSystemErrorMessage((error as NodeJS.ErrnoException).errno ?? 0) ?? errno;
  return new BuildError(`cannot make the state directory ${root}: ${reason}`, {
    code: "STATE_UNWRITABLE",
    status: "PermissionDenied",
    hint: "choose a writable one with --root or SLIPWAY_ROOT",
    cause: error,
  });
}

/** Node's own recursive mkdir never returns where the kernel answers ENOENT for a parent that exists, as in /proc. */
function makeFolders(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EEXIST" && statSync(path).isDirectory()) return;
    if (errno !== "ENOENT" || dirname(path) === path) throw error;
    makeFolders(dirname(path), mode);
    mkdirSync(path, { mode });
  }
}

function reservePath(root: string): string {
  return join(root, "reserve");
}

function isFull(root: string): boolean {
  try {
    return freeBytes(root) < 64 * 1024;
  } catch {
    return false;
  }
}

function freeBytes(root: string): number {
  const { bavail, bsize } = statfsSync(root);
  return bavail * bsize;
}
