// Which entries of a local folder a build sees: include and exclude lists and the paths to follow. Folders that nothing can
// match are not read. A folder that is left out shows up all the same when something inside is kept.
// Counterpart: tonistiigi/fsutil filter.go, followlinks.go.

import * as fs from "node:fs";
import { byteString, type ByteString, errnoOf, fsPath, textOf } from "../../base/index.ts";
import { type MatchInfo, PatternMatcher } from "../../formats/patterns/index.ts";
import type { NodeKind } from "../../storage/snapshots/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import type { WalkRecord } from "./walk-record.ts";

export interface LocalFilter {
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  /** Paths, links among them, that are kept with all they lead to. */
  readonly followPaths?: readonly string[] | undefined;
}

export interface LocalEntry {
  readonly name: ByteString;
  readonly kind: NodeKind;
}

/** Children by folder ("" is the root), in byte order. */
export type LocalListing = ReadonlyMap<ByteString, readonly LocalEntry[]>;

interface Visit {
  readonly dir: ByteString;
  readonly include: MatchInfo | undefined;
  readonly exclude: MatchInfo | undefined;
}

/**
 * Reads the folders of `root` that the filter lets through, each after it was noted in `record`.
 * @throws as node's fs; BAD_PATTERN.
 */
export function listLocal(
  root: ByteString,
  filter: LocalFilter,
  context: JobContext = directContext(),
  record?: WalkRecord,
): LocalListing {
  return new LocalWalk(root, filter, context, record).run();
}

class LocalWalk {
  readonly #root: ByteString;
  readonly #context: JobContext;
  readonly #record: WalkRecord | undefined;
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  /** What an include may begin with; undefined when patterns are too free to tell. */
  readonly #includePrefixes: readonly string[] | undefined;
  readonly #exceptionPrefixes: readonly string[] | undefined;
  readonly #listing = new Map<ByteString, LocalEntry[]>();

  constructor(root: ByteString, filter: LocalFilter, context: JobContext, record: WalkRecord | undefined) {
    this.#root = root;
    this.#context = context;
    this.#record = record;
    let include = filter.includePatterns ?? [];
    if (filter.followPaths !== undefined) {
      const targets = followPaths(root, filter.followPaths, record);
      if (targets !== undefined) include = dedupe([...include, ...targets]) ?? [];
    }
    if (include.length > 0) {
      this.#include = new PatternMatcher(include);
      this.#includePrefixes = plainPrefixes(this.#include, false);
    }
    if (filter.excludePatterns?.length) {
      this.#exclude = new PatternMatcher(filter.excludePatterns);
      this.#exceptionPrefixes = plainPrefixes(this.#exclude, true);
    }
  }

  run(): LocalListing {
    this.#dir({ dir: "", include: undefined, exclude: undefined });
    return this.#listing;
  }

  /** Lists a folder; whether anything in it is kept. */
  #dir({ dir, include, exclude }: Visit): boolean {
    throwIfAborted(this.#context);
    const entries: LocalEntry[] = [];
    this.#record?.addFolder(dir);
    for (const entry of readEntries(dir === "" ? this.#root : `${this.#root}/${dir}`)) {
      const path = dir === "" ? entry.name : `${dir}/${entry.name}`;
      const kind: NodeKind = entry.isDirectory() ? "dir" : entry.isSymbolicLink() ? "symlink" : "other";
      let kept = true;
      let inner: Visit = { dir: path, include: undefined, exclude: undefined };
      if (this.#include !== undefined || this.#exclude !== undefined) {
        const text = textOf(path);
        const included = this.#include?.matchesUsingParentResults(text, include);
        const excluded = this.#exclude?.matchesUsingParentResults(text, exclude);
        kept = included?.matched !== false && excluded?.matched !== true;
        if (kind === "dir") {
          if (included?.matched === false && cannotHold(this.#includePrefixes, text)) continue;
          if (excluded?.matched === true && cannotHold(this.#exceptionPrefixes, text)) continue;
          inner = { dir: path, include: included?.info, exclude: excluded?.info };
        }
      }
      if (kind === "dir" && this.#dir(inner)) kept = true;
      if (kept) entries.push({ name: entry.name, kind });
      else this.#listing.delete(path);
    }
    this.#listing.set(dir, entries);
    return entries.length > 0;
  }
}

function readEntries(dir: ByteString): fs.Dirent[] {
  return fs
    .readdirSync(fsPath(dir), { encoding: "latin1", withFileTypes: true })
    .sort((one, two) => (one.name < two.name ? -1 : 1));
}

function plainPrefixes(matcher: PatternMatcher, exclusions: boolean): string[] | undefined {
  const prefixes: string[] = [];
  for (const { pattern, exclusion } of matcher.patterns) {
    if (exclusion !== exclusions) continue;
    const plain = pattern.replace(/\/\*\*$/, "");
    if (/[*[\]?^\\]/.test(plain)) return undefined;
    prefixes.push(`${plain}/`);
  }
  return prefixes;
}

function cannotHold(prefixes: readonly string[] | undefined, dir: string): boolean {
  return prefixes !== undefined && !prefixes.some((prefix) => prefix.startsWith(`${dir}/`));
}

/** The paths and all that links among them lead to, as include patterns; undefined when that is everything. */
export function followPaths(root: ByteString, paths: readonly string[], record?: WalkRecord): string[] | undefined {
  const resolved = new Set<string>();
  const follow = (path: string): void => {
    let rest = clean(path);
    let current = "";
    for (;;) {
      const slash = rest.indexOf("/");
      current = join(current, slash < 0 ? rest : rest.slice(0, slash));
      rest = slash < 0 ? "" : rest.slice(slash + 1);
      // Whether it is there, and a link to where, its folder's times tell.
      record?.addFolder(byteString(current.slice(0, Math.max(0, current.lastIndexOf("/")))));
      const targets = linkTargets(root, current);
      const key = current === "" ? "." : current;
      if ((rest === "" || targets !== undefined) && resolved.has(key)) return;
      if (targets !== undefined) {
        resolved.add(key);
        for (const target of targets) follow(`${target}/${rest}`);
        return;
      }
      if (rest === "") {
        resolved.add(key);
        return;
      }
    }
  };
  for (const path of paths) follow(path);
  return dedupe([...resolved].toSorted());
}

function linkTargets(root: ByteString, path: string): string[] | undefined {
  const slash = path.lastIndexOf("/");
  const [dir, name] = [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
  if (!/^(?:\\.|[^\\*?[])*[*?[]/s.test(name)) return linkTarget(root, path);
  const matcher = new PatternMatcher([name]);
  const found: string[] = [];
  try {
    for (const entry of fs.readdirSync(fsPath(dir === "" ? root : `${root}/${byteString(dir)}`), "latin1").toSorted()) {
      if (matcher.matchesUsingParentResults(textOf(entry)).matched)
        found.push(...(linkTarget(root, join(dir, textOf(entry))) ?? []));
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
    return undefined;
  }
  return found.length === 0 ? undefined : found;
}

function linkTarget(root: ByteString, path: string): string[] | undefined {
  if (path === "") return undefined;
  try {
    const target = textOf(fs.readlinkSync(fsPath(`${root}/${byteString(path)}`), "latin1"));
    const slash = path.lastIndexOf("/");
    return [target.startsWith("/") ? clean(target) : clean(`${path.slice(0, Math.max(0, slash))}/${target}`)];
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EINVAL" || code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return undefined;
    throw error;
  }
}

function dedupe(sorted: readonly string[]): string[] | undefined {
  const kept: string[] = [];
  let last = "";
  for (const path of sorted) {
    // The root among them: there is no filter.
    if (path === ".") return undefined;
    if (last !== "" && path.startsWith(`${last}/`)) continue;
    kept.push(path);
    last = path;
  }
  return kept;
}

function join(dir: string, name: string): string {
  return dir === "" ? name : `${dir}/${name}`;
}

function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}
