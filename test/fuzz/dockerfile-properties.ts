// Properties of everything that reads what users wrote: nothing crashes with anything but the frontend's own errors, and what
// has a simpler description gives the same as that. Shared by the quick test and the long fuzz run.

import assert from "node:assert/strict";
import * as fc from "fast-check";
import { isBuildError } from "../../src/base/index.ts";
import { parseIgnoreFile, PatternMatcher } from "../../src/formats/patterns/index.ts";
import { Automaton } from "../../src/formats/patterns/automaton.ts";
import { decodeText, encodeText } from "../../src/frontends/dockerfile/go/text.ts";
import { DEFAULT_LINT_CONFIG, Linter } from "../../src/frontends/dockerfile/lint/linter.ts";
import { parseStages } from "../../src/frontends/dockerfile/instructions/parse.ts";
import { parseMount } from "../../src/frontends/dockerfile/instructions/mount.ts";
import { parseDockerfile } from "../../src/frontends/dockerfile/parse/parser.ts";
import { envOfList, Lex } from "../../src/frontends/dockerfile/shell/lex.ts";
import { substitute, trimPrefix, trimSuffix } from "../../src/frontends/dockerfile/shell/substitution.ts";
import { FrontendError } from "../../src/frontends/dockerfile/source-error.ts";

const SILENT = new Linter(DEFAULT_LINT_CONFIG, undefined);

/** Runs `work`; only errors meant for users may come out. */
function tolerates(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof FrontendError) && !isBuildError(error)) throw error;
  }
}

const word = fc.constantFrom(
  "FROM",
  "RUN",
  "copy",
  "ADD",
  "ENV",
  "ONBUILD",
  "HEALTHCHECK",
  "LABEL",
  "ARG",
  "--from=x",
  "--mount=type=cache,target=/c",
  "--x",
  "<<EOF",
  "<<-'E'",
  "EOF",
  "[",
  '["a","b"]',
  "a=b",
  "$A",
  "${A:-b}",
  "\\",
  "`",
  "'",
  '"',
  "#",
  "# escape=`",
  "as",
  "x",
  "--",
  " ",
  "\t",
  "\u00a0",
  "\u0085",
  "é",
  "\ud83d\ude00",
  "=",
  "NONE",
  "CMD",
  "\ufeff",
);
const line = fc
  .array(fc.oneof({ weight: 4, arbitrary: word }, { weight: 1, arbitrary: fc.string() }))
  .map((parts) => parts.join(" "));
const file = fc.oneof(
  fc.array(line).map((lines) => new TextEncoder().encode(lines.join("\n"))),
  fc.array(line).map((lines) => new TextEncoder().encode(`FROM a\n${lines.join(" \\\r\n")}`)),
  fc.uint8Array(),
);
const lexWord = fc
  .array(
    fc.constantFrom(
      "$",
      "{",
      "}",
      "A",
      "B",
      ":",
      "-",
      "+",
      "?",
      "#",
      "%",
      "/",
      "*",
      "'",
      '"',
      "\\",
      "`",
      " ",
      "<",
      "x",
      "é",
    ),
  )
  .map((parts) => parts.join(""));
const glob = fc.array(fc.constantFrom("a", "b", "*", "?", "\\*", "\n", "é")).map((parts) => parts.join(""));
const text = fc.array(fc.constantFrom("a", "b", "*", "\n", "é")).map((parts) => parts.join(""));
const ignorePattern = fc
  .array(fc.constantFrom("a", "b", "*", "**", "/", "?", "[ab]", "[^a]", "\\", ".", "..", "!", "+"))
  .map((parts) => parts.join(""));
// Clean paths, as walks make them.
const regex = fc
  .array(
    fc.constantFrom("(.*/)?", "[^/]*", "[^/]", ".*", "a", "b", "[ab]", "[^a]", "\\.", "/", "\\b", "\\w", "[a-c]", "^"),
  )
  .map((parts) => parts.join(""));
const path = fc.array(fc.constantFrom("a", "b", "ab", ".x", "a+b"), { minLength: 1 }).map((parts) => parts.join("/"));

/** Every property by name, to be checked `runs` times. */
export const PROPERTIES: Readonly<Record<string, (runs: number) => void>> = {
  "the parser takes any bytes": (runs) =>
    check(runs, file, (data) => {
      tolerates(() => {
        const parsed = parseDockerfile(data);
        for (const { startLine, endLine } of parsed.nodes) assert.ok(startLine >= 1 && endLine >= startLine);
        parseStages(parsed, SILENT);
      });
    }),
  "text survives decoding and encoding": (runs) =>
    check(runs, fc.uint8Array(), (data) => {
      assert.deepEqual(Array.from(encodeText(decodeText(data))), Array.from(data));
    }),
  "the expander takes any word": (runs) =>
    check(
      runs,
      fc.tuple(lexWord, fc.constantFrom("\\", "`"), fc.boolean(), fc.boolean()),
      ([input, escape, raw, skip]) => {
        const lex = new Lex({ escape, rawQuotes: raw, rawEscapes: raw, skipUnsetEnv: skip });
        tolerates(() => lex.expand(input, envOfList(["A=x y", "B="])));
      },
    ),
  "words without special characters stay as they are": (runs) =>
    check(runs, fc.stringMatching(/^[a-z0-9 ./_-]*$/), (input) => {
      const { result, words } = new Lex().expand(input, envOfList([]));
      assert.equal(result, input);
      assert.deepEqual(
        words,
        input.split(/ +/).filter((part) => part !== ""),
      );
    }),
  "substitution finds what a regular expression finds": (runs) =>
    check(runs, fc.tuple(glob, text), ([pattern, value]) => {
      const greedy = new RegExp(toRegex(pattern, "*"), "gu");
      assert.equal(substitute(pattern, value, "X", false), value.replace(new RegExp(greedy.source, "u"), "X"));
      assert.equal(substitute(pattern, value, "X", true), replaceAllAsGo(value, greedy));
      const shortest = new RegExp(`^${toRegex(pattern, "*?")}`, "u");
      assert.equal(trimPrefix(pattern, value, false), value.replace(shortest, ""));
      assert.equal(trimPrefix(pattern, value, true), value.replace(new RegExp(`^${toRegex(pattern, "*")}`, "u"), ""));
      assert.ok(value.startsWith(trimSuffix(pattern, value, false)));
    }),
  "automata match what the regular expression matches": (runs) =>
    check(runs, fc.tuple(regex, path), ([expression, name]) => {
      assert.equal(new Automaton(expression).test(name), new RegExp(`^(?:${expression})$`).test(name));
    }),
  "without exclusions, a walk and a look-up agree for any list": (runs) =>
    check(runs, fc.tuple(fc.array(ignorePattern), path), ([patterns, name]) => {
      tolerates(() => {
        const matcher = new PatternMatcher(patterns.filter((pattern) => !pattern.trim().startsWith("!")));
        if (!matcher.hasExclusions) assert.equal(matcher.matchesOrParentMatches(name), walk(matcher, name));
      });
    }),
  "ignore files take any bytes": (runs) =>
    check(runs, fc.uint8Array(), (data) => {
      tolerates(() => new PatternMatcher(parseIgnoreFile(data)));
    }),
  "mounts take any text": (runs) =>
    check(
      runs,
      fc.tuple(
        fc.string(),
        fc.array(
          fc.constantFrom("type=", "cache", "secret", ",", '"', "size=1", "uid=", "9", "target=/x", "mode=7", "from="),
        ),
      ),
      ([random, parts]) => {
        tolerates(() => parseMount(random, (input) => input));
        tolerates(() => parseMount(parts.join(""), (input) => input));
        tolerates(() => parseMount(parts.join(","), undefined));
      },
    ),
};

function check<T>(numRuns: number, arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, property), { numRuns });
}

function toRegex(pattern: string, star: string): string {
  return Array.from(pattern.matchAll(/\\(.)|([\s\S])/gu), ([, escaped, plain]) => {
    if (plain === "*") return `[^\\n]${star}`;
    if (plain === "?") return "[^\\n]";
    const char = (escaped ?? plain)!;
    return /[\w\s]/u.test(char) || char.codePointAt(0)! > 0x7f ? char : `\\${char}`;
  }).join("");
}

// Go leaves out an empty match right after a match; JavaScript does not.
function replaceAllAsGo(value: string, regex: RegExp): string {
  let out = "";
  let from = 0;
  let lastEnd = -1;
  for (const match of value.matchAll(regex)) {
    if (match[0] === "" && match.index === lastEnd) continue;
    out += `${value.slice(from, match.index)}X`;
    from = match.index + match[0].length;
    lastEnd = from;
  }
  return out + value.slice(from);
}

function walk(matcher: PatternMatcher, name: string): boolean {
  const parts = name.split("/");
  let step = matcher.matchesUsingParentResults(parts[0]!);
  for (let depth = 2; depth <= parts.length; depth++) {
    step = matcher.matchesUsingParentResults(parts.slice(0, depth).join("/"), step.info);
  }
  return step.matched;
}
