// Which paths of a source a COPY pattern means. A folder that matches is taken whole and not looked into.
// Counterpart: tonistiigi/fsutil copy/copy.go ResolveWildcards.

import { byteString, type ByteString, textOf } from "../../base/index.ts";
import type { HashableTree } from "../../storage/snapshots/index.ts";
import { hasWildcards, matchPath } from "../../storage/snapshots/index.ts";
import { type LinkTree, resolveInside } from "./file-paths.ts";

/** Matching paths, absolute, in order; the path itself when it has no wildcard. */
export function resolveWildcards(tree: LinkTree & HashableTree, path: string, followLinks: boolean): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const first = parts.findIndex(hasWildcards);
  if (first < 0) return [path];
  const base = resolveInside(tree, byteString(parts.slice(0, first).join("/")), followLinks);
  const pattern = parts.slice(first);
  const found: string[] = [];
  const visit = (dir: ByteString, depth: number): void => {
    for (const { name, kind } of tree.list(dir)) {
      const inner = dir === "" ? name : `${dir}/${name}`;
      const relative = textOf(base === "" ? inner : inner.slice(base.length + 1));
      // `*` stays within an element, so that each element can be judged by itself.
      if (!matchPath(pattern.slice(0, depth + 1).join("/"), relative)) continue;
      if (depth + 1 === pattern.length) found.push(`/${inner}`);
      else if (kind === "dir") visit(inner, depth + 1);
    }
  };
  visit(base, 0);
  return found.map(textOf);
}
