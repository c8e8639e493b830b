// Cuts HCL text into tokens. Quoted strings and heredocs are templates: their text comes as literal tokens, what stands in `${ }` and
// `%{ }` as the tokens of an expression. Nothing is refused here; what no rule knows becomes an `invalid` token.
// Counterpart: hashicorp/hcl hclsyntax/scan_tokens.rl.

import { advance, isBadByte } from "./source.ts";
import type { Position, Range } from "./source.ts";

/** Names of token kinds; operators and brackets are their own names. */
export type TokenKind =
  | "identifier"
  | "number"
  | "comment"
  | "newline"
  | "open-quote"
  | "close-quote"
  | "open-heredoc"
  | "close-heredoc"
  | "string-literal"
  | "quoted-literal"
  | "quoted-newline"
  | "interpolation"
  | "directive"
  | "sequence-end"
  | "invalid"
  | "bad-utf8"
  | "end"
  | "operator";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly range: Range;
}

type Mode =
  | { readonly kind: "main" }
  | { readonly kind: "quoted" }
  | { readonly kind: "bare" }
  | { readonly kind: "heredoc"; readonly marker: string; startOfLine: boolean };

export interface ScanOptions {
  readonly filename: string;
  /** Defaults to the first column of the first line. */
  readonly start?: Position;
  /** Whether the text is a template without quotes around it, as strings of JSON files are. Defaults to false. */
  readonly template?: boolean;
}

const SPACES = /[ \t]+/y;
const NUMBER = /\d(?:(?:\d|\.|[eE][+-]?\d)*(?:\d|[eE][+-]?\d))?/y;
const IDENTIFIER = /[\p{ID_Start}_][\p{ID_Continue}-]*/uy;
const COMMENT = /#[^\n]*\n?|\/\/[^\n]*\n?|\/\*[^]*?\*\//y;
const NEWLINE = /\r?\n/y;
const HEREDOC = /<<-?([\p{ID_Start}_][\p{ID_Continue}-]*)\r?\n/uy;
const OPERATOR = /==|!=|>=|<=|&&|\|\||::|\.\.\.|=>|[[\]().,*/%+\-=<>!?:&|~^;`']/y;
const SEQUENCE = /[$%]\{~?/y;
const ESCAPED_SEQUENCE = /\$\$\{~?|%%\{~?/y;
const QUOTED_LITERAL = /(?:\\[^\r\n\uDC00-\uDCFF]|[^\\$%"\r\n\uDC00-\uDCFF])+/uy;
const PLAIN_LITERAL = /[^$%\r\n\uDC00-\uDCFF]+/uy;
const NEWLINES = /[\r\n]+/y;

export function scan(text: string, options: ScanOptions): Token[] {
  return new Scanner(text, options).run();
}

class Scanner {
  readonly #text: string;
  readonly #filename: string;
  readonly #tokens: Token[] = [];
  readonly #modes: Mode[];
  /** Open braces, and at how many of them a template goes on. */
  #braces = 0;
  readonly #returns: number[] = [];
  #at = 0;
  #tokenEnd = 0;
  #position: Position;

  constructor(text: string, { filename, start, template }: ScanOptions) {
    this.#text = text;
    this.#filename = filename;
    this.#position = start ?? { line: 1, column: 1 };
    this.#modes = [template === true ? { kind: "bare" } : { kind: "main" }];
  }

  run(): Token[] {
    while (this.#at < this.#text.length) {
      const mode = this.#modes.at(-1)!;
      const matched =
        mode.kind === "main"
          ? this.#main()
          : mode.kind === "quoted"
            ? this.#quoted()
            : mode.kind === "heredoc"
              ? this.#heredoc(mode)
              : this.#bare();
      if (!matched) {
        const rest = mode.kind === "bare" && this.#modes.length === 1 ? "string-literal" : "invalid";
        this.#emit(rest, this.#text.length);
      }
    }
    this.#emit("end", this.#text.length);
    return this.#tokens;
  }

  #main(): boolean {
    const spaces = this.#match(SPACES);
    if (spaces > 0) {
      this.#at = spaces;
      return true;
    }
    const heredoc = this.#match(HEREDOC);
    if (heredoc > 0) {
      const marker = /^<<-?(.*?)\r?\n$/u.exec(this.#text.slice(this.#at, heredoc))![1]!;
      this.#emit("open-heredoc", heredoc);
      this.#modes.push({ kind: "heredoc", marker, startOfLine: true });
      return true;
    }
    for (const [kind, pattern] of [
      ["number", NUMBER],
      ["identifier", IDENTIFIER],
      ["comment", COMMENT],
      ["newline", NEWLINE],
    ] as const) {
      const end = this.#match(pattern);
      if (end > 0) return this.#emit(kind, end);
    }
    return this.#bracket() || this.#anything();
  }

  #bracket(): boolean {
    const next = this.#text[this.#at]!;
    if (next === '"') {
      this.#emit("open-quote", this.#at + 1);
      this.#modes.push({ kind: "quoted" });
      return true;
    }
    if (next === "{") {
      this.#braces++;
      return this.#emit("operator", this.#at + 1);
    }
    const trims = this.#text.startsWith("~}", this.#at);
    if (next === "}" || trims) {
      const returns = this.#returns.at(-1) === this.#braces;
      this.#emit(returns || trims ? "sequence-end" : "operator", this.#at + (trims ? 2 : 1));
      this.#braces--;
      if (returns) {
        this.#returns.pop();
        this.#modes.pop();
      }
      return true;
    }
    const operator = this.#match(OPERATOR);
    return operator > 0 && this.#emit("operator", operator);
  }

  #anything(): boolean {
    if (isBadByte(this.#text, this.#at)) return this.#emit("bad-utf8", this.#at + 1);
    return this.#emit("invalid", this.#at + String.fromCodePoint(this.#text.codePointAt(this.#at)!).length);
  }

  #quoted(): boolean {
    if (this.#sequence()) return true;
    if (this.#text[this.#at] === '"') {
      this.#emit("close-quote", this.#at + 1);
      this.#modes.pop();
      return true;
    }
    const literal = this.#match(QUOTED_LITERAL) || this.#literalMark();
    if (literal > 0) return this.#emit("quoted-literal", literal);
    const newlines = this.#match(NEWLINES);
    if (newlines > 0) return this.#emit("quoted-newline", newlines);
    if (/[$%]/.test(this.#text[this.#at]!)) return false;
    return this.#anything();
  }

  #heredoc(mode: Extract<Mode, { kind: "heredoc" }>): boolean {
    if (this.#sequence()) {
      mode.startOfLine = false;
      return true;
    }
    const literal = this.#match(PLAIN_LITERAL) || this.#at;
    const lineEnd = this.#matchAt(NEWLINE, literal);
    if (lineEnd > 0) {
      if (mode.startOfLine && this.#text.slice(this.#at, lineEnd).trim() === mode.marker) {
        this.#emit("close-heredoc", literal);
        this.#emit("newline", lineEnd);
        this.#modes.pop();
        return true;
      }
      mode.startOfLine = true;
      return this.#emit("string-literal", lineEnd);
    }
    mode.startOfLine = false;
    const end = literal > this.#at ? literal : this.#literalMark();
    if (end > 0) return this.#emit("string-literal", end);
    return isBadByte(this.#text, this.#at) && this.#emit("bad-utf8", this.#at + 1);
  }

  #bare(): boolean {
    if (this.#sequence()) return true;
    const literal = this.#match(PLAIN_LITERAL) || this.#literalMark() || this.#at;
    const end = this.#matchAt(NEWLINE, literal) || literal;
    if (end > this.#at) return this.#emit("string-literal", end);
    return isBadByte(this.#text, this.#at) && this.#emit("bad-utf8", this.#at + 1);
  }

  #sequence(): boolean {
    const end = this.#match(SEQUENCE);
    if (end === 0) return false;
    this.#emit(this.#text[this.#at] === "$" ? "interpolation" : "directive", end);
    this.#braces++;
    this.#returns.push(this.#braces);
    this.#modes.push({ kind: "main" });
    return true;
  }

  /** The end of an escaped sequence, or of a `$` or `%` that starts none; 0 where there is neither, or nothing behind it. */
  #literalMark(): number {
    const escaped = this.#match(ESCAPED_SEQUENCE);
    if (escaped > 0) return escaped;
    const next = this.#text[this.#at];
    return (next === "$" || next === "%") && this.#at + 1 < this.#text.length ? this.#at + 1 : 0;
  }

  #match(pattern: RegExp): number {
    return this.#matchAt(pattern, this.#at);
  }

  /** The end of the match at a place; 0 for none. */
  #matchAt(pattern: RegExp, at: number): number {
    pattern.lastIndex = at;
    return pattern.test(this.#text) ? pattern.lastIndex : 0;
  }

  #emit(kind: TokenKind, end: number): true {
    const skipped = this.#text.slice(this.#tokenEnd, this.#at);
    const start = { line: this.#position.line, column: this.#position.column + skipped.length };
    const text = this.#text.slice(this.#at, end);
    this.#position = advance(start, text);
    this.#tokens.push({ kind, text, range: { filename: this.#filename, start, end: this.#position } });
    this.#at = this.#tokenEnd = end;
    return true;
  }
}
