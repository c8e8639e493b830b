// Walks over tokens: skips comments, and newlines where they do not count; after a mistake, goes on behind it and keeps further
// complaints that only follow from it to itself. Counterpart: hashicorp/hcl hclsyntax/peeker.go.

import type { Expression } from "./expressions.ts";
import type { Token } from "./scanner.ts";
import type { Diagnostic, Range } from "./source.ts";

const opposites: Readonly<Record<string, string>> = {
  "{": "}",
  "[": "]",
  "(": ")",
  "open-quote": "close-quote",
  "open-heredoc": "close-heredoc",
  "}": "{",
  "]": "[",
  ")": "(",
  "close-quote": "open-quote",
  "close-heredoc": "open-heredoc",
  interpolation: "sequence-end",
  directive: "sequence-end",
  "sequence-end": "interpolation",
};

/** How a token is told from others: its kind, or the text of an operator. */
export function tokenType(token: Token): string {
  return token.kind === "operator" ? token.text : token.kind;
}

export function isKeyword(token: Token, word: string): boolean {
  return token.kind === "identifier" && token.text === word;
}

/** The bracket that closes, or opens, what this one opens, or closes. */
export function oppositeBracket(type: string): string | undefined {
  return opposites[type];
}

export abstract class TokenReader {
  readonly diagnostics: Diagnostic[] = [];
  /** Whether a mistake was passed over: what follows may be misread. */
  recovering = false;
  readonly #tokens: readonly Token[];
  readonly #newlinesCount: boolean[] = [true];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  abstract parseExpression(): Expression;

  peek(): Token {
    return this.#find().token;
  }

  /** How the next token is told from others. */
  peekType(): string {
    return tokenType(this.peek());
  }

  read(): Token {
    const { token, next } = this.#find();
    this.#next = next;
    return token;
  }

  /** The range of the token read last. */
  previousRange(): Range {
    return this.#next === 0 ? this.peek().range : this.#tokens[this.#next - 1]!.range;
  }

  /** Runs `work` while newlines count, or do not. */
  withNewlines<T>(count: boolean, work: () => T): T {
    this.#newlinesCount.push(count);
    try {
      return work();
    } finally {
      this.#newlinesCount.pop();
    }
  }

  complain(summary: string, detail: string, subject: Range): void {
    this.diagnostics.push({ summary, detail, subject });
  }

  /** Complains unless the reader has lost its way already. */
  complainOnce(summary: string, detail: string, subject: Range): void {
    if (!this.recovering) this.complain(summary, detail, subject);
  }

  /** Skips to behind the bracket `end` that closes the current one, and returns it or the end of the text. */
  recover(end: string): Token {
    const start = oppositeBracket(end);
    this.recovering = true;
    let depth = 0;
    for (;;) {
      const token = this.read();
      let type = tokenType(token);
      if (end === "sequence-end" && type === "directive") type = "interpolation";
      if (type === "end") return token;
      if (type === start) depth++;
      else if (type === end && depth-- < 1) return token;
    }
  }

  /** Skips to behind the next bracket `start` and what it encloses. */
  recoverOver(start: string): void {
    while (![start, "end"].includes(tokenType(this.read())));
    this.recover(oppositeBracket(start)!);
  }

  /** Skips to behind the end of the line, brackets that span lines included. */
  recoverAfterBodyItem(): void {
    this.recovering = true;
    const open: string[] = [];
    const close = (...openers: string[]) => {
      while (open.length > 0 && !openers.includes(open.at(-1)!)) open.pop();
      open.pop();
    };
    for (;;) {
      const type = tokenType(this.read());
      if (type === "end" || (type === "newline" && open.length === 0)) return;
      if (["{", "[", "(", "open-quote", "open-heredoc", "interpolation", "directive"].includes(type)) open.push(type);
      else if (type === "sequence-end") close("interpolation", "directive");
      else if (["}", "]", ")", "close-quote", "close-heredoc"].includes(type)) close(oppositeBracket(type)!);
    }
  }

  #find(): { token: Token; next: number } {
    const counts = this.#newlinesCount.at(-1)!;
    for (let at = this.#next; at < this.#tokens.length; at++) {
      const token = this.#tokens[at]!;
      if (token.kind === "comment") {
        // The comment took the end of its line along, which may end an argument.
        if (counts && token.text.endsWith("\n"))
          return { token: { ...token, kind: "newline", text: "\n" }, next: at + 1 };
        continue;
      }
      if (token.kind === "newline" && !counts) continue;
      return { token, next: at + 1 };
    }
    return { token: this.#tokens.at(-1)!, next: this.#tokens.length };
  }
}
