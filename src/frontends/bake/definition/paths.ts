// Paths of targets: which are remote, and relative to what the others are. Counterpart: docker/buildx bake/bake.go, util/urlutil.

import { posix } from "node:path";
import { parseGitRef } from "../../dockerfile/index.ts";

/** Whether a path names something that is not on this machine. */
export function isRemote(path: string): boolean {
  return /^https?:\/\//.test(path) || parseGitRef(path).kind !== "none";
}

/** A path under a folder, unless it is absolute or no path at all. */
export function rebased(base: string, path: string): string {
  const special = ["cwd://", "target:", "docker-image:", "oci-layout://"].some((prefix) => path.startsWith(prefix));
  if (base === "" || path === "" || special || posix.isAbsolute(path) || isRemote(path)) return path;
  return posix.join(base, path);
}

/** Go's path.Clean. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

/** The folder of a local file; undefined for what is none. */
export function folderOf(name: string): string | undefined {
  return name === "" || name === "-" || isRemote(name) ? undefined : posix.dirname(name);
}
