// System errors of writing outputs, as sentences that name the output and a remedy.

import { BuildError, errnoOf, isBuildError } from "../../base/index.ts";

const refusals: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  ENOTDIR: "a part of the path is not a directory",
  EISDIR: "it is a directory",
  ENOENT: "no such directory",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  EBUSY: "it is in use",
};

/** What to throw instead of `error` when `what` could not be written; errors that are no system errors stay. */
export function explainOutput(what: string, error: unknown): unknown {
  if (isBuildError(error)) return error;
  const errno = errnoOf(error);
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new BuildError(`no space left to write ${what}`, {
      code: "DISK_FULL",
      status: "ResourceExhausted",
      hint: "free some space there, or choose another destination with dest=",
      cause: error,
    });
  }
  if (errno === "EPIPE" || errno === "ECONNRESET") {
    return new BuildError(`${what} was closed by its reader before everything was written`, {
      code: "EXPORT_CLOSED",
      status: "Aborted",
      cause: error,
    });
  }
  const reason = errno === undefined ? undefined : refusals[errno];
  if (reason === undefined) return error;
  const path = (error as NodeJS.ErrnoException).path;
  return new BuildError(
    `cannot write ${what}: ${typeof path === "string" && !what.includes(path) ? `${path}: ` : ""}${reason}`,
    {
      code: "EXPORT_UNWRITABLE",
      status: "PermissionDenied",
      hint: "choose a destination that exists and that you may write to with dest=",
      cause: error,
    },
  );
}
