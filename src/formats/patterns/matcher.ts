// The pattern language of .dockerignore, include and exclude lists: order matters, `!` takes back, `**` crosses folders.
// Three ways to ask, kept because BuildKit has them and their answers differ in corners: with all parents looked up, with
// the parent's results handed down while walking, and the old one that looks at a single parent.
// Counterpart: moby/patternmatcher.

import { BuildError } from "../../base/index.ts";
import { Automaton } from "./automaton.ts";
import { isValidGlob } from "./glob-syntax.ts";
import { cleanPath, dirName } from "./posix-path.ts";
import { trimSpace } from "./spaces.ts";

/** What a folder's patterns said, to be handed to the look-ups of its entries. Opaque. */
export interface MatchInfo {
  readonly matched: Uint8Array;
}

/** One pattern after cleaning. */
export interface PatternInfo {
  /** Without the leading `!`. */
  readonly pattern: string;
  readonly exclusion: boolean;
}

/** Matches slash paths, relative and clean, against an ordered list of patterns. */
export class PatternMatcher {
  readonly #patterns: readonly CompiledPattern[];
  readonly #byHead = new Map<string, Uint32Array>();
  readonly #byTail = new Map<string, Uint32Array>();
  readonly #folders = new Map<string, Uint32Array>();
  /** Whether some pattern begins with `!`. */
  readonly hasExclusions: boolean;

  /** @throws BAD_PATTERN when a pattern is malformed ("syntax error in pattern") or is a lone `!`. */
  constructor(patterns: readonly string[]) {
    const compiled: CompiledPattern[] = [];
    for (const raw of patterns) {
      const trimmed = trimSpace(raw);
      if (trimmed === "") continue;
      const cleaned = cleanPath(trimmed);
      if (cleaned === "!") throw badPattern('illegal exclusion pattern: "!"');
      const exclusion = cleaned.startsWith("!");
      compiled.push(new CompiledPattern(exclusion ? cleaned.slice(1) : cleaned, exclusion));
    }
    this.#patterns = compiled;
    this.hasExclusions = compiled.some((pattern) => pattern.exclusion);
  }

  /** The active patterns in order. */
  get patterns(): readonly PatternInfo[] {
    return this.#patterns;
  }

  /** Whether `path` or one of its parents is matched, later patterns overruling earlier ones. @throws BAD_PATTERN */
  matchesOrParentMatches(path: string): boolean {
    const parent = dirName(path);
    const above = parent === "." ? undefined : this.#folderMatches(parent);
    let matched = false;
    this.#forCandidates(path, above, (at) => {
      const pattern = this.#patterns[at]!;
      if (pattern.exclusion === matched && (pattern.match(path) || hasBit(above, at))) {
        matched = !pattern.exclusion;
      }
    });
    return matched;
  }

  /**
   * The same with the results of the parent folder at hand: what a walk uses.
   * Without `parent` the parents are looked up here. @throws BAD_PATTERN
   */
  matchesUsingParentResults(path: string, parent?: MatchInfo): { matched: boolean; info: MatchInfo } {
    const results = new Uint8Array(this.#patterns.length);
    const above = parent !== undefined && parent.matched.length > 0 ? parent.matched : undefined;
    if (above !== undefined && above.length !== results.length) throw new Error("match info of another matcher");
    let folders: Uint32Array | undefined;
    if (above === undefined) {
      const parentPath = dirName(path);
      if (parentPath !== ".") folders = this.#folderMatches(parentPath);
    }
    let matched = false;
    const check = (at: number) => {
      const pattern = this.#patterns[at]!;
      let match = above !== undefined && above[at] === 1;
      if (!match) {
        if (pattern.exclusion !== matched) return;
        match = pattern.match(path) || hasBit(folders, at);
      }
      if (match) {
        results[at] = 1;
        matched = !pattern.exclusion;
      }
    };
    if (above?.includes(1) !== true) this.#forCandidates(path, folders, check);
    else for (let at = 0; at < results.length; at++) check(at);
    return { matched, info: { matched: results } };
  }

  /** The old rule, which looks at one parent only, as deep as the pattern. @throws BAD_PATTERN */
  matches(path: string): boolean {
    const parent = dirName(path);
    const folders = parent.split("/");
    let matched = false;
    for (const pattern of this.#patterns) {
      if (pattern.exclusion !== matched) continue;
      let match = pattern.match(path);
      const depth = pattern.depth;
      if (!match && parent !== "." && depth <= folders.length) match = pattern.match(folders.slice(0, depth).join("/"));
      if (match) matched = !pattern.exclusion;
    }
    return matched;
  }

  // Most patterns have a literal start or end, which sorts out nearly all of them for a given path. `more` are others to look at.
  #forCandidates(path: string, more: Uint32Array | undefined, check: (at: number) => void): void {
    const head = path.slice(0, HEAD);
    const tail = path.slice(-TAIL);
    const byHead = this.#bitsOf(this.#byHead, head, (pattern) => pattern.mayStart(head));
    const byTail = this.#bitsOf(this.#byTail, tail, (pattern) => pattern.mayEnd(tail));
    for (let word = 0; word < byHead.length; word++) {
      let bits = (byHead[word]! & byTail[word]!) | (more === undefined ? 0 : more[word]!);
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        check(word * 32 + bit);
        bits &= bits - 1;
      }
    }
  }

  #bitsOf(known: Map<string, Uint32Array>, end: string, may: (pattern: CompiledPattern) => boolean): Uint32Array {
    let bits = known.get(end);
    if (bits === undefined) {
      bits = new Uint32Array(Math.ceil(this.#patterns.length / 32));
      for (const [at, pattern] of this.#patterns.entries()) if (may(pattern)) bits[at >> 5]! |= 1 << (at & 31);
      if (known.size > MAX_KNOWN) known.clear();
      known.set(end, bits);
    }
    return bits;
  }

  // Which patterns match this folder or one above it.
  #folderMatches(folder: string): Uint32Array {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const all = [...parentsOf(folder), folder];
    let next = all.findLastIndex((each) => this.#folders.has(each)) + 1;
    let bits = next === 0 ? undefined : this.#folders.get(all[next - 1]!);
    for (; next < all.length; next++) {
      const each = all[next]!;
      const here: Uint32Array = bits?.slice() ?? new Uint32Array(Math.ceil(this.#patterns.length / 32));
      this.#forCandidates(each, undefined, (at) => {
        if (this.#patterns[at]!.tryMatch(each)) here[at >> 5]! |= 1 << (at & 31);
      });
      if (this.#folders.size > MAX_KNOWN) this.#folders.clear();
      this.#folders.set(each, here);
      bits = here;
    }
    return bits!;
  }
}

function parentsOf(path: string): string[] {
  const parent = dirName(path);
  if (parent === ".") return [];
  const folders = parent.split("/");
  return folders.map((_, index) => folders.slice(0, index + 1).join("/"));
}

function hasBit(bits: Uint32Array | undefined, at: number): boolean {
  return bits !== undefined && (bits[at >> 5]! & (1 << (at & 31))) !== 0;
}

/** How many folders, and starts and ends of paths, are remembered. */
const MAX_KNOWN = 16_384;

/** How many UTF-16 units of a path's start and end patterns are sorted by. */
const HEAD = 8;
const TAIL = 4;

function badPattern(message: string): BuildError {
  return new BuildError(message, { code: "BAD_PATTERN", status: "InvalidArgument" });
}

type Method =
  | { readonly kind: "exact" }
  | { readonly kind: "prefix"; readonly prefix: string }
  | { readonly kind: "suffix"; readonly suffix: string }
  | { readonly kind: "automaton"; readonly prefix: string; readonly suffix: string; readonly automaton: Automaton }
  | { readonly kind: "bad" };

class CompiledPattern implements PatternInfo {
  readonly pattern: string;
  readonly exclusion: boolean;
  readonly depth: number;
  readonly #method: Method;

  constructor(pattern: string, exclusion: boolean) {
    if (!isValidGlob(pattern)) throw badPattern("syntax error in pattern");
    this.pattern = pattern;
    this.exclusion = exclusion;
    this.depth = pattern.split("/").length;
    this.#method = compile(pattern);
  }

  /** Whether a path that starts so can match (or must be tried, to report a bad pattern). `head` is cut at HEAD. */
  mayStart(head: string): boolean {
    const method = this.#method;
    if (method.kind === "bad" || method.kind === "suffix") return true;
    const prefix = method.kind === "exact" ? this.pattern : method.prefix;
    return prefix.length <= head.length ? head.startsWith(prefix) : head.length === HEAD && prefix.startsWith(head);
  }

  /** The same for how it ends. */
  mayEnd(tail: string): boolean {
    const method = this.#method;
    if (method.kind === "bad" || method.kind === "prefix") return true;
    const whole = method.kind === "exact" ? this.pattern : method.suffix;
    // After `**` a slash may stay unmatched.
    const suffix = method.kind === "suffix" && whole.startsWith("/") ? whole.slice(1) : whole;
    return suffix.length <= tail.length ? tail.endsWith(suffix) : tail.length === TAIL && suffix.endsWith(tail);
  }

  /** Like {@link match}, but a bad pattern is no match. */
  tryMatch(path: string): boolean {
    return this.#method.kind !== "bad" && this.match(path);
  }

  match(path: string): boolean {
    const method = this.#method;
    switch (method.kind) {
      case "exact":
        return path === this.pattern;
      case "prefix":
        return path.startsWith(method.prefix);
      case "suffix":
        return path.endsWith(method.suffix) || (method.suffix.startsWith("/") && path === method.suffix.slice(1));
      case "automaton":
        // The literal ends of a pattern reject nearly every path before the automaton runs.
        if (!path.startsWith(method.prefix) || !path.endsWith(method.suffix)) return false;
        return method.automaton.test(path);
      case "bad":
        throw badPattern("syntax error in pattern");
      default:
        return method satisfies never;
    }
  }
}

// The translation is done in BuildKit's own order, because what is special depends on it: a `**` at the very start makes
// a plain suffix match, one at the end a prefix match, and anything else an expression.
function compile(pattern: string): Method {
  const points = Array.from(pattern);
  if (points[0] === "\uFEFF") points.shift();
  let regex = "";
  let kind: "exact" | "prefix" | "suffix" | "regex" = "exact";
  let at = 0;
  for (let index = 0; at < points.length; index++) {
    const char = points[at++]!;
    if (char === "*" && points[at] === "*") {
      at++;
      if (points[at] === "/") at++;
      if (at >= points.length) {
        if (kind === "exact") kind = "prefix";
        else {
          regex += ".*";
          kind = "regex";
        }
      } else {
        regex += "(.*/)?";
        kind = "regex";
      }
      if (index === 0) kind = "suffix";
    } else if (char === "*" || char === "?") {
      regex += char === "*" ? "[^/]*" : "[^/]";
      kind = "regex";
    } else if (".+()|{}$".includes(char)) regex += `\\${char}`;
    else if (char === "\\" && at < points.length) {
      regex += `\\${points[at++]}`;
      kind = "regex";
    } else if (char === "[" || char === "]") {
      regex += char;
      kind = "regex";
    } else regex += char;
  }
  switch (kind) {
    case "exact":
      return { kind: "exact" };
    case "prefix":
      return { kind: "prefix", prefix: pattern.slice(0, -2) };
    case "suffix":
      return { kind: "suffix", suffix: pattern.slice(2) };
    case "regex":
      try {
        return { kind: "automaton", ...literalEnds(pattern), automaton: new Automaton(regex) };
      } catch {
        return { kind: "bad" };
      }
    default:
      return kind satisfies never;
  }
}

function literalEnds(pattern: string): { prefix: string; suffix: string } {
  const plain = /^[^*?[\]\\^\uFEFF]*/.exec(pattern)![0];
  // A slash before `**` may stay unmatched text of the group, so it does not count.
  const tail = /[\]\\[^]/.test(pattern) ? "" : /[^*?\uFEFF]*$/.exec(pattern)![0];
  return { prefix: plain, suffix: tail.startsWith("/") ? tail.slice(1) : tail };
}
