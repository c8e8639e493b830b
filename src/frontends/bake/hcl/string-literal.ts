// What the literal text of a template says once its escapes are resolved. In quoted strings a backslash escapes; in heredocs only
// the doubled template marks do. Counterpart: hashicorp/hcl hclsyntax/parser.go ParseStringLiteralToken.

import type { Token } from "./scanner.ts";
import { advance } from "./source.ts";
import type { Diagnostic } from "./source.ts";

const QUOTED_PIECES = /\\u[0-9a-fA-F]{0,4}|\\U[0-9a-fA-F]{0,8}|\\[^]?|\$\$\{|%%\{|\$\$?|%%?|\r\n|\r|\n|[^\\$%\r\n]+/gu;
const PLAIN_PIECES = /\$\$\{|%%\{|\$\$?|%%?|\r\n|\r|\n|[^$%\r\n]+/gu;
const simple: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };

/** Text of a `quoted-literal` or `string-literal` token; what is wrong in it goes to `diagnostics`. */
export function literalText(token: Token, diagnostics: Diagnostic[]): string {
  const quoted = token.kind === "quoted-literal";
  let text = "";
  let { start } = token.range;
  for (const [piece] of token.text.matchAll(quoted ? QUOTED_PIECES : PLAIN_PIECES)) {
    const end = advance(start, piece);
    if (piece === "$${" || piece === "%%{") text += piece.slice(1);
    else if (!quoted || piece[0] !== "\\") text += piece;
    else {
      const { value, problem } = unescape(piece);
      text += value;
      if (problem !== undefined) {
        const subject = { filename: token.range.filename, start, end };
        diagnostics.push({ summary: "Invalid escape sequence", detail: problem, subject });
      }
    }
    start = end;
  }
  return text;
}

function unescape(piece: string): { value: string; problem?: string } {
  const selector = piece.slice(1, 2);
  if (selector === "")
    return { value: piece, problem: "A backslash must be followed by the character that it escapes." };
  const plain = simple[selector];
  if (plain !== undefined) return { value: plain };
  if (selector !== "u" && selector !== "U") {
    const rest = piece.slice(1);
    return { value: rest, problem: `The symbol ${JSON.stringify(rest)} is not a valid escape sequence selector.` };
  }
  const digits = selector === "u" ? 4 : 8;
  if (piece.length !== digits + 2) {
    const count = digits === 4 ? "four" : "eight";
    return { value: piece, problem: `The \\${selector} escape sequence takes ${count} hexadecimal digits.` };
  }
  const code = Number.parseInt(piece.slice(2), 16);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    return { value: piece, problem: `U+${code.toString(16).padStart(4, "0")} is no character.` };
  }
  return { value: String.fromCodePoint(code) };
}
