// Files, folders and stats of a result's tree, for frontends. Links are resolved inside the tree by the kernel; what is no regular file
// is not read. Counterpart: moby/buildkit cache/util/fsutil.go.

import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { BuildError, errnoOf, textOf } from "../../base/index.ts";
import { goMode } from "../../formats/fsutil/index.ts";
import { PatternMatcher } from "../../formats/patterns/index.ts";
import { fsutil } from "../../formats/proto/index.ts";
import { O_PATH, openIn } from "../../system/linux/index.ts";

const MAX_FILE_BYTES = 128 * 1024 * 1024;

/** A file's bytes. @throws FILE_UNREADABLE in the words of Go's os package. */
export function readFileInside(
  root: string,
  path: string,
  range?: { readonly offset: number; readonly length: number },
): Uint8Array {
  return inside(root, path, "open", constants.O_RDONLY | constants.O_NONBLOCK, (fd) => {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw failed("open", path, "is a directory");
    if (!stat.isFile()) throw failed("open", path, "not a regular file");
    if (range !== undefined) {
      const bytes = Buffer.alloc(Math.max(0, Math.min(range.length, stat.size - range.offset)));
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, range.offset));
    }
    if (stat.size > MAX_FILE_BYTES) throw failed("open", path, "file too large");
    return readFileSync(fd);
  });
}

/** What a folder has, in byte order. @throws FILE_UNREADABLE. */
export function readDirInside(root: string, path: string, includePattern: string | undefined): fsutil.Stat[] {
  return inside(root, path, "open", constants.O_RDONLY | constants.O_DIRECTORY, (fd) => {
    const matcher = includePattern ? new PatternMatcher([includePattern]) : undefined;
    const names = readdirSync(`/proc/self/fd/${fd}`, "latin1").sort();
    return names
      .filter((name) => matcher === undefined || matcher.matchesUsingParentResults(textOf(name)).matched)
      .map((name) => statAt(fd, name, textOf(name)));
  });
}

/** What is at a path; links are followed. @throws FILE_UNREADABLE. */
export function statInside(root: string, path: string): fsutil.Stat {
  const name = path.replace(/\/+$/, "").split("/").at(-1);
  return inside(root, path, "lstat", O_PATH, (fd) =>
    describe(fstatSync(fd, { bigint: true }), name === "" || name === undefined ? "." : name, ""),
  );
}

function statAt(dir: number, name: string, shown: string): fsutil.Stat {
  const fd = openIn(dir, Buffer.from(name, "latin1"), { flags: O_PATH | constants.O_NOFOLLOW, resolve: "beneath" });
  try {
    const stat = fstatSync(fd, { bigint: true });
    const linkname = stat.isSymbolicLink() ? textOf(readlinkSync(`/proc/self/fd/${fd}`, "latin1")) : "";
    return describe(stat, shown, linkname);
  } finally {
    closeSync(fd);
  }
}

function describe(stat: BigIntStats, path: string, linkname: string): fsutil.Stat {
  return create(fsutil.StatSchema, {
    path,
    mode: goMode(Number(stat.mode)),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: stat.isDirectory() ? 0n : stat.size,
    modTime: stat.mtimeNs,
    linkname,
  });
}

function inside<T>(root: string, path: string, verb: string, flags: number, use: (fd: number) => T): T {
  const rootFd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  let fd: number | undefined;
  try {
    fd = openIn(rootFd, path.replace(/^\/+/, ""), { flags });
    return use(fd);
  } catch (error) {
    throw explained(error, verb, path);
  } finally {
    if (fd !== undefined) closeSync(fd);
    closeSync(rootFd);
  }
}

function explained(error: unknown, verb: string, path: string): unknown {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    ENOTDIR: "not a directory",
    EACCES: "permission denied",
    EISDIR: "is a directory",
    ELOOP: "too many levels of symbolic links",
  };
  const reason = reasons[errnoOf(error) ?? ""];
  return reason === undefined ? error : failed(verb, path, reason);
}

function failed(verb: string, path: string, reason: string): BuildError {
  return new BuildError(`${verb} ${path.replace(/^\/+/, "")}: ${reason}`, {
    code: "FILE_UNREADABLE",
    status: "NotFound",
  });
}
