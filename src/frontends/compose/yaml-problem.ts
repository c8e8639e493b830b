// What is wrong with a YAML text, in libyaml's words as far as they can be told from the parser's. Counterpart: go.yaml.in/yaml v4.

import type { LineCounter, YAMLParseError } from "yaml";

const texts: Partial<Record<YAMLParseError["code"], string>> = {
  BAD_INDENT: "did not find expected key",
  MISSING_CHAR: "did not find expected ',' or ']'",
  UNEXPECTED_TOKEN: "did not find expected node content",
  BLOCK_AS_IMPLICIT_KEY: "mapping values are not allowed in this context",
  MULTILINE_IMPLICIT_KEY: "could not find expected ':'",
  TAB_AS_INDENT: "found character that cannot start any token",
  BAD_ALIAS: "did not find expected alphabetic or numeric character",
  DUPLICATE_KEY: "mapping key already defined",
};

/** The first problem as `line L, column C: what it is`. */
export function parseProblem(problem: YAMLParseError, lines: LineCounter): string {
  const { line, col } = lines.linePos(problem.pos[0]);
  const text = texts[problem.code];
  if (problem.code === "TAB_AS_INDENT") return `while scanning for the next token at line ${line}: ${text}`;
  return `line ${line}, column ${col}: ${text === undefined ? problem.message : `${text} (${problem.message})`}`;
}
