// Which paths of a context are sent. Counterpart: normalizeContextPaths, filterPaths of dockerfile2llb/convert.go.

import { joinPath } from "../../../formats/patterns/index.ts";
import { compareBytes } from "../../../graph/llb/index.ts";

/** Used paths, relative, clean and sorted; empty when everything is used. */
export function followPathsOf(paths: ReadonlySet<string>): string[] {
  if (paths.has("/")) return [];
  return Array.from(paths, (path) => joinPath(".", path.replace(/^\/+/, "")) || ".").sort(compareBytes);
}
