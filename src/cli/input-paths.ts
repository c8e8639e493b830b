// What the places that users name are: remote or local, there or not.

import { statSync } from "node:fs";
import { errnoOf } from "../base/index.ts";

/** Whether a context is somewhere else: a repository, or a file from the web. */
export function isRemote(text: string): boolean {
  return /^(https?:\/\/|git:\/\/|ssh:\/\/|github\.com\/|[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:)/.test(text);
}

export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text);
}

/** False when there is nothing, or something else. @throws Error when that can't be found out. */
export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    const reason = errnoOf(error);
    if (reason === "ENOENT" || reason === "ENOTDIR") return false;
    throw new Error(`unable to prepare context: ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/** In the words of Go's os package. */
export function reasonOf(error: unknown): string {
  switch (errnoOf(error)) {
    case "ENOENT":
      return "no such file or directory";
    case "EACCES":
      return "permission denied";
    default:
      return errnoOf(error) ?? String(error);
  }
}
