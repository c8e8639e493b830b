// Environment files: `.env` and those of `env_file`. Counterpart: compose-go dotenv/parser.go.

import { composeError } from "./error.ts";
import { substitute } from "./template.ts";
import type { Lookup } from "./template.ts";

const space = /[\t\v\f\r \u0085\u00a0]/;

/** Adds the variables of a file to `out`. Names that `lookup` knows win inside values. @throws COMPOSE_INVALID with the line. */
export function parseEnv(text: string, out: Map<string, string>, lookup: Lookup = () => undefined): void {
  new EnvParser(text, out, lookup).run();
}

class EnvParser {
  readonly #out: Map<string, string>;
  readonly #lookup: Lookup;
  #rest: string;
  #line = 1;

  constructor(text: string, out: Map<string, string>, lookup: Lookup) {
    this.#rest = text.replace(/^\uFEFF/, "");
    this.#out = out;
    this.#lookup = lookup;
  }

  run(): void {
    while (this.#skipToStatement()) {
      const { key, inherited } = this.#key();
      if (key.includes(" ")) throw composeError(`line ${this.#line}: key cannot contain a space`);
      if (inherited) {
        const value = this.#lookup(key);
        if (value !== undefined) this.#out.set(key, value);
      } else this.#out.set(key, this.#value());
    }
  }

  #skipToStatement(): boolean {
    for (;;) {
      const start = this.#rest.search(/\S/);
      if (start < 0) return false;
      this.#line += count(this.#rest.slice(0, start));
      this.#rest = this.#rest.slice(start);
      if (!this.#rest.startsWith("#")) return true;
      const end = this.#rest.indexOf("\n");
      if (end < 0) return false;
      this.#rest = this.#rest.slice(end);
    }
  }

  #key(): { key: string; inherited: boolean } {
    let text = this.#rest;
    if (/^export\s+/.test(text)) text = trimStart(text.slice("export".length));
    let [key, offset, inherited] = ["", 0, false];
    for (let at = 0; at < text.length; at++) {
      const char = String.fromCodePoint(text.codePointAt(at)!);
      if (space.test(char) || /[_.\-[\]\p{L}\p{N}]/u.test(char)) {
        at += char.length - 1;
        continue;
      }
      if (char === "=" || char === ":" || char === "\n") {
        [key, offset, inherited] = [text.slice(0, at), at + 1, char === "\n"];
        break;
      }
      throw composeError(
        `line ${this.#line}: unexpected character ${JSON.stringify(char)} in variable name ${JSON.stringify(text.split("\n", 1)[0])}`,
      );
    }
    if (text === "") throw composeError("zero length string");
    // A name at the very end without a line break is read as nothing.
    if (offset === 0) this.#rest = "";
    else this.#rest = trimStart(text.slice(offset));
    if (inherited && !key.includes(" ")) this.#line++;
    return { key: key.trimEnd(), inherited: inherited || offset === 0 };
  }

  #value(): string {
    const quote = this.#rest[0];
    if (quote !== '"' && quote !== "'") {
      const end = this.#rest.indexOf("\n");
      const line = end < 0 ? this.#rest : this.#rest.slice(0, end);
      this.#rest = end < 0 ? "" : this.#rest.slice(end + 1);
      this.#line++;
      return this.#expanded(line.split(" #", 1)[0]!.trimEnd());
    }
    return this.#quoted(quote);
  }

  #quoted(quote: string): string {
    let value = "";
    let escaping = false;
    for (let at = 1; at < this.#rest.length; at++) {
      const char = this.#rest[at]!;
      if (char === "\n") this.#line++;
      if (char === quote && !escaping) {
        this.#rest = this.#rest.slice(at + 1);
        return quote === '"' ? this.#expanded(unescaped(value)) : value;
      }
      if (char === "\\" && !escaping) {
        escaping = true;
        continue;
      }
      if (escaping && char !== quote) value += "\\";
      escaping = false;
      value += char;
    }
    throw composeError(`line ${this.#line}: unterminated quoted value ${this.#rest.split("\n", 1)[0]}`);
  }

  #expanded(text: string): string {
    return substitute(text, { lookup: (name) => this.#lookup(name) ?? this.#out.get(name) });
  }
}

const escapes: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  '"': '"',
  "\\": "\\",
};

function unescaped(text: string): string {
  return text.replace(/\\(?:[abcfnrtv$"\\]|0\d{0,3})/g, (match) => {
    const mark = match[1]!;
    if (mark === "$") return "$$";
    if (mark === "0") {
      const octal = /^[0-7]{3}$/.test(match.slice(2)) ? Number.parseInt(match.slice(2), 8) : 256;
      return octal < 256 ? String.fromCodePoint(octal) : match;
    }
    return escapes[mark] ?? match;
  });
}

function count(text: string): number {
  return text.split("\n").length - 1;
}

function trimStart(text: string): string {
  return text.replace(/^[\t\v\f\r \u0085\u00a0]+/, "");
}
