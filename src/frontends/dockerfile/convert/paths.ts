// Paths of instructions for an operating system: on Windows drive letters go and backslashes turn.
// Counterpart: moby/buildkit util/system/path.go.

import { cleanPath, joinPath } from "../../../formats/patterns/index.ts";
import { quote } from "../go/format.ts";
import { FrontendError, wrapError } from "../source-error.ts";

export function toSlash(path: string, os: string): string {
  return os === "windows" ? path.replaceAll("\\", "/") : path;
}

/** @throws FrontendError on Windows, for drives other than C: and UNC paths */
export function withoutDrive(path: string, os: string, keepSlash = false): string {
  if (os !== "windows") return path;
  if (path.length === 2 && path[1] === ":") throw new FrontendError(`No relative path specified in ${quote(path)}`);
  if (toSlash(path.slice(0, 2), os) === "//") throw new FrontendError("UNC paths are not supported");
  const colon = path.indexOf(":");
  if (colon >= 0 && path.slice(0, colon).toLowerCase() !== "c") {
    throw new FrontendError("The specified path is not on the system drive (C:)");
  }
  const rest = toSlash(path.slice(colon + 1), os);
  const cleaned = cleanPath(rest);
  return keepSlash && cleaned.length > 1 && rest.endsWith("/") ? `${cleaned}/` : cleaned;
}

export function isAbsolute(path: string, os: string): boolean {
  try {
    return toSlash(withoutDrive(path, os), os).startsWith("/");
  } catch {
    return false;
  }
}

/**
 * An absolute path with forward slashes: a relative one is joined to `parent`, an absolute one stays as written.
 * With `keepSlash` a final `/` or `/.` stays. @throws FrontendError
 */
export function normalizePath(parent: string, path: string, os: string, keepSlash: boolean): string {
  const original = toSlash(path, os);
  let result: string;
  try {
    let from = withoutDrive(toSlash(parent, os) || "/", os, keepSlash);
    if (!from.startsWith("/")) from = joinPath("/", from);
    result = withoutDrive(original === "" ? from : original, os, keepSlash);
    if (!result.startsWith("/")) result = joinPath(from, result);
  } catch (error) {
    throw wrapError(error, "removing drive letter");
  }
  if (keepSlash && original.endsWith("/") && !result.endsWith("/")) result += "/";
  else if (keepSlash && original.endsWith("/.")) result += result === "/" ? "." : "/.";
  return toSlash(result, os);
}

/** A working directory with the system's own slashes. @throws FrontendError */
export function normalizeWorkdir(current: string, path: string, os: string): string {
  try {
    const normalized = normalizePath(current, path, os, false);
    return os === "windows" ? normalized.replaceAll("/", "\\") : normalized;
  } catch (error) {
    throw wrapError(error, "normalizing working directory");
  }
}
