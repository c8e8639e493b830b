// What the loader needs of the machine: files, and the variables that stand at its start. Reads only plain files of a bounded
// size, so that a hostile path can neither block nor fill the memory.

import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { errnoOf } from "../../base/index.ts";
import { composeError } from "./error.ts";

/** Where files are found and what variables are set. */
export interface ComposeHost {
  /** Absolute; relative paths start here. */
  readonly cwd: string;
  readonly home?: string | undefined;
  /** Told of each variable that is used without being set. */
  readonly onUnset?: (name: string) => void;
}

const maxBytes = 16 << 20;

const texts: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EACCES: "permission denied",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  EISDIR: "is a directory",
};

/** What is at a path. */
export function kindOf(host: ComposeHost, path: string): "file" | "folder" | "other" | "absent" {
  const stat = statSync(resolve(host.cwd, checked(path)), { throwIfNoEntry: false });
  if (stat === undefined) return "absent";
  if (stat.isDirectory()) return "folder";
  return stat.isFile() ? "file" : "other";
}

/** @throws COMPOSE_INVALID in Go's words. */
export function readComposeFile(host: ComposeHost, path: string): Uint8Array {
  try {
    const absolute = resolve(host.cwd, checked(path));
    const stat = statSync(absolute);
    if (stat.isDirectory()) throw composeError(`read ${path}: is a directory`);
    if (!stat.isFile()) throw composeError(`read ${path}: not a regular file`);
    if (stat.size > maxBytes) throw composeError(`read ${path}: larger than ${maxBytes >> 20} MiB`);
    return readFileSync(absolute);
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    throw composeError(`open ${path}: ${texts[code] ?? code}`, { cause: error });
  }
}

function checked(path: string): string {
  if (path.includes("\0")) throw composeError(`open ${JSON.stringify(path)}: invalid argument`);
  return path;
}
