// The wildcard patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/text}`. BuildKit makes regular
// expressions of them; here a pattern is a list of literal runs between stars, matched in linear time per run.
// Counterpart: moby/buildkit frontend/dockerfile/shell/lex.go convertShellPatternToRegex.

import { FrontendError } from "../source-error.ts";

// One character: itself, or any but a newline.
type Slot = string | undefined;

// Literal runs; between two of them stands a star, which matches anything but newlines.
type Runs = readonly (readonly Slot[])[];

/** @throws Error `invalid escape '\x'` */
function parsePattern(pattern: string): Runs {
  const runs: Slot[][] = [[]];
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    if (char === "*") {
      runs.push([]);
      continue;
    }
    if (char !== "\\") {
      runs.at(-1)!.push(char === "?" ? undefined : char);
      continue;
    }
    const next = chars[at + 1];
    if (next === "}" || next === "/") continue;
    at++;
    if (next !== "*" && next !== "?" && next !== "\\") {
      throw new Error(`invalid escape '\\${next ?? "\uFFFD"}'`);
    }
    runs.at(-1)!.push(next);
  }
  return runs;
}

function compile(pattern: string): Runs {
  try {
    return parsePattern(pattern);
  } catch (error) {
    throw new FrontendError(`invalid pattern (${pattern}) in substitution: ${(error as Error).message}`);
  }
}

/** The value without the shortest (or, greedy, the longest) start that matches. @throws FrontendError on a bad pattern */
export function trimPrefix(pattern: string, value: string, greedy: boolean): string {
  const runs = compile(pattern);
  const chars = Array.from(value);
  if (!matchesAt(runs[0]!, chars, 0)) return value;
  const end = matchEnd(runs, chars, 0, greedy);
  return end === undefined ? value : chars.slice(end).join("");
}

/** The value without the shortest (or, greedy, the longest) end that matches. @throws FrontendError on a bad pattern */
export function trimSuffix(pattern: string, value: string, greedy: boolean): string {
  return reverse(trimPrefix(reversePattern(pattern), reverse(value), greedy));
}

/** The value with the first match (or all) replaced. @throws FrontendError on a bad pattern */
export function substitute(pattern: string, value: string, replacement: string, all: boolean): string {
  const runs = compile(pattern);
  const chars = Array.from(value);
  let out = "";
  let from = 0;
  let lastEnd = -1;
  for (let at = 0; at <= chars.length;) {
    const start = findStart(runs, chars, at);
    if (start === undefined) break;
    const end = matchEnd(runs, chars, start, true)!;
    // An empty match right after the last one does not count.
    if (end > start || start !== lastEnd) {
      const matched = chars.slice(start, end).join("");
      out += chars.slice(from, start).join("") + (all ? expandTemplate(replacement, matched) : replacement);
      from = end;
      lastEnd = end;
      if (!all) break;
    }
    at = end > start ? end : start + 1;
  }
  return out + chars.slice(from).join("");
}

// Go expands `$name` in the text of a ReplaceAll; only `$0` (the match) can exist here.
function expandTemplate(template: string, matched: string): string {
  return template.replace(/\$(?:\$|\{(\w+)\}|(\w+))/gu, (whole, braced?: string, plain?: string) => {
    if (whole === "$$") return "$";
    const name = braced ?? plain!;
    return /^0+$/.test(name) && name.length === 1 ? matched : "";
  });
}

// Where the leftmost match begins, at or after `from`.
function findStart(runs: Runs, chars: readonly string[], from: number): number | undefined {
  const first = runs[0]!;
  for (let at = from; at + first.length <= chars.length; at++) {
    if (!matchesAt(first, chars, at)) continue;
    if (matchEnd(runs, chars, at, false) !== undefined) return at;
    // The rest is not on this line, so no later start on the line can work either.
    const newline = chars.indexOf("\n", at);
    if (newline < 0) return undefined;
    at = Math.max(at, newline - first.length);
  }
  return undefined;
}

// Where a match that begins at `start` ends: as early as possible, or as late.
function matchEnd(runs: Runs, chars: readonly string[], start: number, greedy: boolean): number | undefined {
  let at = start + runs[0]!.length;
  for (let run = 1; run < runs.length; run++) {
    const isLast = run === runs.length - 1;
    const found = greedy && isLast ? findLast(runs[run]!, chars, at) : findFirst(runs[run]!, chars, at);
    if (found === undefined) return undefined;
    at = found + runs[run]!.length;
  }
  return at;
}

function findFirst(run: readonly Slot[], chars: readonly string[], from: number): number | undefined {
  for (let at = from; at + run.length <= chars.length; at++) {
    if (matchesAt(run, chars, at)) return at;
    if (chars[at] === "\n") return undefined;
  }
  return undefined;
}

function findLast(run: readonly Slot[], chars: readonly string[], from: number): number | undefined {
  const newline = chars.indexOf("\n", from);
  // The run itself may hold newlines, so the star's reach is what the line end limits.
  const lastStart = Math.min(newline < 0 ? chars.length : newline, chars.length - run.length);
  for (let at = lastStart; at >= from; at--) if (matchesAt(run, chars, at)) return at;
  return undefined;
}

function matchesAt(run: readonly Slot[], chars: readonly string[], at: number): boolean {
  if (at + run.length > chars.length) return false;
  for (const [offset, slot] of run.entries()) {
    const char = chars[at + offset];
    if (slot === undefined ? char === "\n" : char !== slot) return false;
  }
  return true;
}

// Reverses a pattern but keeps each backslash before what it escapes.
function reversePattern(pattern: string): string {
  const units = Array.from(pattern);
  const out: string[] = [];
  for (let at = 0; at < units.length; at++) {
    const char = units[at]!;
    if (char === "\\" && at < units.length - 1) out.push(char + units[++at]!);
    else out.push(char);
  }
  return out.toReversed().join("");
}

function reverse(text: string): string {
  return Array.from(text).toReversed().join("");
}
