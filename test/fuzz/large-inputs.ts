// Inputs of any size that would be slow in a reader that looks at its text again and again. Time should grow with the size.

import { isBuildError } from "../../src/base/index.ts";
import { parseIgnoreFile, PatternMatcher } from "../../src/formats/patterns/index.ts";
import { DEFAULT_LINT_CONFIG, Linter } from "../../src/frontends/dockerfile/lint/linter.ts";
import { parseStages } from "../../src/frontends/dockerfile/instructions/parse.ts";
import { parseDockerfile } from "../../src/frontends/dockerfile/parse/parser.ts";
import { envOfList, Lex } from "../../src/frontends/dockerfile/shell/lex.ts";
import { FrontendError } from "../../src/frontends/dockerfile/source-error.ts";

const SILENT = new Linter(DEFAULT_LINT_CONFIG, undefined);

function tolerated(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof FrontendError) && !isBuildError(error)) throw error;
  }
}

function parsed(unit: string, { head = "", tail = "" } = {}): (sizeBytes: number) => void {
  return (sizeBytes) => {
    const text = head + unit.repeat(Math.ceil(sizeBytes / unit.length)) + tail;
    tolerated(() => parseStages(parseDockerfile(new TextEncoder().encode(text)), SILENT));
  };
}

function expanded(unit: string, { head = "", tail = "" } = {}): (sizeBytes: number) => void {
  return (sizeBytes) => {
    const text = head + unit.repeat(Math.ceil(sizeBytes / unit.length)) + tail;
    tolerated(() => new Lex().expand(text, envOfList(["A=x"])));
  };
}

/** Work by name; takes the size of the input in bytes. @throws what no user should see. */
export const LARGE_INPUTS: Readonly<Record<string, (sizeBytes: number) => void>> = {
  "many instructions": parsed("ENV A=b\n", { head: "FROM a\n" }),
  "many stages": parsed("FROM a\n"),
  "one continued instruction": parsed("x \\\n", { head: "FROM a\nRUN " }),
  "comments within a continuation": parsed("# c\n", { head: "FROM a\nRUN x \\\n" }),
  "empty lines within a continuation": parsed("\n", { head: "FROM a\nRUN x \\\n" }),
  "one long line": parsed("x ", { head: "FROM a\nRUN " }),
  "a heredoc that never ends": parsed("line\n", { head: "FROM a\nRUN <<EOF\n" }),
  "a list in JSON": parsed('"a",', { head: "FROM a\nCMD [", tail: '"b"]\n' }),
  "many pairs": parsed("a=b ", { head: "FROM a\nENV " }),
  "many flags": parsed("--x ", { head: "FROM a\nRUN " }),
  "a word of quotes": expanded("'\""),
  "a word of variables": expanded("${A}"),
  "nested modifiers": expanded("${A:-"),
  "a word of escapes": expanded("\\$"),
  "open braces": expanded("{"),
  "many ignore patterns": (sizeBytes) => {
    const patterns = parseIgnoreFile(new TextEncoder().encode("# c\n\n".repeat(sizeBytes / 5)));
    if (patterns.length > 0) throw new Error("comments are no patterns");
  },
  "one ignore pattern of stars": (sizeBytes) => {
    tolerated(() => new PatternMatcher(["*".repeat(sizeBytes)]));
  },
};
