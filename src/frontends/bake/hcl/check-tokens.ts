// Characters and operators that no HCL text has, told before parsing so that the parser need not know them.
// Counterpart: hashicorp/hcl hclsyntax/token.go checkInvalidTokens.

import type { Token } from "./scanner.ts";
import type { Diagnostic } from "./source.ts";

const bitwise: Readonly<Record<string, string>> = {
  "&": ' Use "&&" for a boolean AND.',
  "|": ' Use "||" for a boolean OR.',
  "~": ' Use "!" for a boolean NOT.',
  "^": "",
};

export function checkTokens(tokens: readonly Token[]): Diagnostic[] {
  const found: Diagnostic[] = [];
  const told = new Map<string, number>();
  /** Counts a kind of finding and tells whether it was found less often than `limit` before. */
  const first = (what: string, limit = 1): boolean => {
    const count = told.get(what) ?? 0;
    told.set(what, count + 1);
    return count < limit;
  };
  for (const { kind, text, range } of tokens) {
    const tell = (summary: string, detail: string) => void found.push({ summary, detail, subject: range });
    if (kind === "operator" && text in bitwise) {
      if (first("bitwise", 4)) tell("Unsupported operator", `There are no bitwise operators.${bitwise[text]}`);
    } else if (kind === "operator" && text === "`") {
      if ((told.get(text) ?? 0) % 2 === 0) {
        tell("Invalid character", 'A "`" is not valid here. Use a heredoc ("<<EOT") for a string of several lines.');
      }
      first(text);
    } else if (kind === "operator" && text === "'") {
      if ((told.get(text) ?? 0) % 2 === 0) {
        tell("Invalid character", 'Single quotes are not valid. Use double quotes (") to enclose strings.');
      }
      first(text);
    } else if (kind === "operator" && text === ";") {
      if (first(text)) {
        tell(
          "Invalid character",
          'A ";" is not valid. Put arguments and blocks on lines of their own, commas between items.',
        );
      }
    } else if (kind === "bad-utf8") {
      if (first("utf8")) tell("Invalid character encoding", "The file must be encoded in UTF-8.");
    } else if (kind === "quoted-newline") {
      tell(
        "Invalid multi-line string",
        'A quoted string ends on its line. Use \\n, or a heredoc ("<<EOT") for several lines.',
      );
    } else if (kind === "invalid") {
      const curly = text === "“" || text === "”";
      tell(
        "Invalid character",
        curly ? 'Curly quotes are not valid here. Use straight ones (").' : "The language does not use this character.",
      );
    }
  }
  return found;
}
