// Which part of an input an op reads, and the digest of that part's content: what makes a COPY hit although its context changed
// elsewhere. Counterpart: moby/buildkit solver/llbsolver/ops/opsutils/contenthash.go, ops/file.go.

import { posix } from "node:path";

/** A part of a tree: a path, perhaps with wildcards, perhaps filtered. */
export interface Selector {
  readonly path: string;
  readonly wildcard: boolean;
  readonly followLinks: boolean;
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  readonly requiredPaths: readonly string[];
}

export function selectorOf(path: string, options: Partial<Omit<Selector, "path">> = {}): Selector {
  return {
    path,
    wildcard: options.wildcard === true && hasWildcards(path),
    followLinks: options.followLinks ?? false,
    includePatterns: options.includePatterns ?? [],
    excludePatterns: options.excludePatterns ?? [],
    requiredPaths: options.requiredPaths ?? [],
  };
}

/** Whether Go's path matching would find a wildcard in `path`. */
export function hasWildcards(path: string): boolean {
  for (let at = 0; at < path.length; at++) {
    const char = path[at];
    if (char === "\\") at++;
    else if (char === "*" || char === "?" || char === "[") return true;
  }
  return false;
}

/** Selectors in a fixed order, without those that another one includes. */
export function dedupeSelectors(selectors: readonly Selector[]): Selector[] {
  const filtered = (each: Selector) =>
    each.wildcard || each.includePatterns.length > 0 || each.excludePatterns.length > 0;
  const plain = selectors.filter((each) => !filtered(each));
  const kept = [
    ...dedupePaths(plain.filter((each) => !each.followLinks).map((each) => each.path)).map((path) => selectorOf(path)),
    ...dedupePaths(plain.filter((each) => each.followLinks).map((each) => each.path)).map((path) =>
      selectorOf(path, { followLinks: true }),
    ),
    ...selectors.filter(filtered),
  ];
  return kept
    .map((selector, index) => ({ selector, index }))
    .sort((a, b) => compareBytes(a.selector.path, b.selector.path) || a.index - b.index)
    .map(({ selector }) => selector);
}

/** Sorted paths without those below another one. A single path is passed on as it is. */
export function dedupePaths(paths: readonly string[]): string[] {
  if (paths.length <= 1) return [...paths];
  const all = [...new Set(paths)];
  const isBelow = (path: string, top: string) => path !== top && path.startsWith(top.endsWith("/") ? top : `${top}/`);
  return all.filter((path) => !all.some((top) => isBelow(path, top))).sort(compareBytes);
}

export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Go's path.Join("/", path). */
export function rooted(path: string): string {
  const clean = posix.normalize(`/${path}`);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}
