// System errors of file actions as users know them: "lstat /x: no such file or directory", with paths inside the root.
// Counterpart: Go os.PathError, as BuildKit's file backend trims it.

import { BuildError, errnoOf, isBuildError, type Status, textOf } from "../../base/index.ts";

const TEXTS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EEXIST: "file exists",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ENOTEMPTY: "directory not empty",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ELOOP: "too many levels of symbolic links",
  EROFS: "read-only file system",
  ENAMETOOLONG: "file name too long",
  EXDEV: "invalid cross-device link",
};

const STATUS: Readonly<Record<string, Status>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
};

/** An error of a file action. */
export function fileError(message: string, status: Status = "InvalidArgument", cause?: unknown): BuildError {
  return new BuildError(message, { code: "FILE_OP", status, ...(cause === undefined ? {} : { cause }) });
}

/** The same for a path that is missing or cannot be used. */
export function pathError(operation: string, path: string, code: string, cause?: unknown): BuildError {
  const shown = path.startsWith("/") ? path : `/${path}`;
  if (code === "ENOSPC" || code === "EDQUOT") return diskFull(operation, cause);
  return fileError(`${operation} ${textOf(shown)}: ${TEXTS[code] ?? code}`, STATUS[code] ?? "Unknown", cause);
}

function diskFull(operation: string, cause: unknown): BuildError {
  return new BuildError(`${operation}: no space left on the disk of the state directory`, {
    code: "DISK_FULL",
    status: "ResourceExhausted",
    hint: "free some space, for example with: slipway prune",
    cause,
  });
}

/** A system error with the roots cut off its path; BuildErrors and others pass. */
export function translateError(error: unknown, roots: readonly string[]): unknown {
  const code = errnoOf(error);
  if (code === undefined || isBuildError(error)) return error;
  const { syscall = "", path = "" } = error as NodeJS.ErrnoException;
  const root = roots.find((candidate) => path === candidate || path.startsWith(`${candidate}/`));
  return pathError(syscall, root === undefined ? path : path.slice(root.length), code, error);
}
