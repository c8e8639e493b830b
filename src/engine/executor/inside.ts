// Paths of an untrusted root: every link is resolved inside it, nothing ever leads outside.

import { chownSync, closeSync, constants, mkdirSync, openSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";
import { O_PATH, openIn } from "../../system/linux/index.ts";

/** Real path of `path`, or undefined when it does not exist inside the root. */
export function resolveInside(rootPath: string, path: string): string | undefined {
  const rootFd = openSync(rootPath, constants.O_RDONLY | constants.O_DIRECTORY);
  let fd: number | undefined;
  try {
    fd = openIn(rootFd, relative(path), { flags: O_PATH });
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ELOOP") return undefined;
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
    closeSync(rootFd);
  }
}

/**
 * Makes `path` and the folders above it where they are missing, owned by the ids given.
 * @throws WORKDIR_INVALID when something else is in the way.
 */
export function ensureDirectory(rootPath: string, path: string, uid: number, gid: number): void {
  let current = rootPath;
  let done = "";
  for (const part of relative(path)
    .split("/")
    .filter((each) => each !== "" && each !== ".")) {
    done = join(done, part);
    const existing = resolveInside(rootPath, done);
    if (existing !== undefined) {
      current = existing;
      continue;
    }
    const made = join(current, part);
    try {
      mkdirSync(made, { mode: 0o755 });
      chownSync(made, uid, gid);
    } catch (error) {
      throw new BuildError(`failed to create working directory /${done}`, {
        code: "WORKDIR_INVALID",
        status: "InvalidArgument",
        hint: "a file or a dangling link is in the way",
        cause: error,
      });
    }
    current = made;
  }
}

function relative(path: string): string {
  return path.replace(/^\/+/, "") || ".";
}
