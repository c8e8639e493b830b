// Mount points that the runtime has to make in the root are not part of the step's result: those that were not there before are
// removed after it, and their folders get their times back. Counterpart: moby/buildkit executor/stubs.go.

import { lstatSync, readdirSync, rmdirSync, unlinkSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { resolveInside } from "./inside.ts";

/** Notes which of `dests` are missing under `rootPath`; the returned function removes what was made for them since. */
export function noteMountStubs(rootPath: string, dests: readonly string[], recursive: boolean): () => void {
  const missing: string[] = [];
  for (const dest of dests) {
    for (let path = join("/", dest); path !== "/"; path = dirname(path)) {
      if (resolveInside(rootPath, path) !== undefined) break;
      missing.push(path);
      if (!recursive) break;
    }
  }
  return () => {
    for (const path of missing) removeStub(rootPath, path);
  };
}

function removeStub(rootPath: string, path: string): void {
  const parent = resolveInside(rootPath, dirname(path));
  if (parent === undefined) return;
  const target = join(parent, path.slice(path.lastIndexOf("/") + 1));
  try {
    const stat = lstatSync(target);
    const isEmpty = stat.isDirectory() ? readdirSync(target).length === 0 : stat.isFile() && stat.size === 0;
    if (!isEmpty) return;
    const { atime, mtime } = lstatSync(parent);
    if (stat.isDirectory()) rmdirSync(target);
    else unlinkSync(target);
    utimesSync(parent, atime, mtime);
  } catch {
    // The step removed it itself.
  }
}
