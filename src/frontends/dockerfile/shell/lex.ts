// The shell-like language of Dockerfile words: quotes, escapes, `$name` and `${name…}`. Not a shell: no commands, no arrays.
// Counterpart: moby/buildkit frontend/dockerfile/shell/lex.go.

import { isSpace } from "../../../formats/patterns/index.ts";
import { quote } from "../go/format.ts";
import { FrontendError, wrapError } from "../source-error.ts";
import { substitute, trimPrefix, trimSuffix } from "./substitution.ts";

/** Where variables come from. */
export interface EnvGetter {
  get(key: string): string | undefined;
  keys(): readonly string[];
}

export interface LexOptions {
  /** `\` or a backtick; `\` by default. */
  readonly escape?: string;
  /** Quotes stay in the result. */
  readonly rawQuotes?: boolean;
  /** Escape characters stay in the result. */
  readonly rawEscapes?: boolean;
  /** Quotes are ordinary characters. */
  readonly skipProcessQuotes?: boolean;
  /** `$name` of an unset variable stays as written. */
  readonly skipUnsetEnv?: boolean;
}

export interface Expansion {
  readonly result: string;
  readonly words: readonly string[];
  /** Names that were looked up and found. */
  readonly matched: ReadonlySet<string>;
  /** Names that were looked up and not found. */
  readonly unmatched: Set<string>;
}

/** No variables at all. */
export const NO_ENV: EnvGetter = { get: () => undefined, keys: () => [] };

// Differs: BuildKit has neither limit; `ENV A=$A$A` a few dozen times over takes all memory.
const MAX_DEPTH = 1000;
const MAX_RESULT_LENGTH = 16 * 1024 * 1024;

/** Expands words. Stateless: one Lex can be used for any number of words. */
export class Lex {
  readonly options: LexOptions;

  constructor(options: LexOptions = {}) {
    this.options = options;
  }

  /** The same rules with some changed. */
  with(options: LexOptions): Lex {
    return new Lex({ ...this.options, ...options });
  }

  /** Expands a whole word. @throws FrontendError `failed to process "…": …` */
  expand(word: string, env: EnvGetter): Expansion {
    const expansion = this.tryExpand(word, env);
    if (expansion.error !== undefined) throw expansion.error;
    return expansion;
  }

  /** Like {@link expand}, for those who look at the names even when the word cannot be expanded. */
  tryExpand(word: string, env: EnvGetter): Expansion & { readonly error?: unknown } {
    const run = new LexRun(word, env, this.options);
    const { matched, unmatched } = run;
    try {
      return { ...run.processUntil(undefined, this.options.rawEscapes ?? false), matched, unmatched };
    } catch (error) {
      return { result: "", words: [], matched, unmatched, error: wrapError(error, `failed to process ${quote(word)}`) };
    }
  }

  /** The expanded text. @throws FrontendError */
  word(word: string, env: EnvGetter): string {
    return this.expand(word, env).result;
  }

  /** The expanded text split at unquoted white space. @throws FrontendError */
  words(word: string, env: EnvGetter): readonly string[] {
    return this.expand(word, env).words;
  }
}

class WordList {
  readonly words: string[] = [];
  readonly #buffer: string[];
  #inWord = false;

  constructor(buffer: string[]) {
    this.#buffer = buffer;
  }

  addChar(char: string): void {
    if (!isSpace(char.codePointAt(0)!)) {
      this.addRaw(char);
    } else if (this.#inWord && this.#buffer.length > 0) this.#flush();
  }

  addText(text: string): void {
    for (const char of text) this.addChar(char);
  }

  addRaw(text: string): void {
    if (text !== "") this.#buffer.push(text);
    this.#inWord = true;
  }

  finish(): string[] {
    if (this.#buffer.length > 0) this.#flush();
    return this.words;
  }

  #flush(): void {
    this.words.push(this.#buffer.join(""));
    this.#buffer.length = 0;
    this.#inWord = false;
  }
}

class LexRun {
  readonly matched = new Set<string>();
  readonly unmatched = new Set<string>();
  readonly #chars: readonly string[];
  readonly #env: EnvGetter;
  readonly #options: LexOptions;
  readonly #escape: string;
  #at = 0;
  #rawEscapes: boolean;
  #depth = 0;
  // One buffer for nested runs too, and each run empties it first: BuildKit loses the start of a word before `${x:-y}` when
  // it splits words, and so does this.
  readonly #wordBuffer: string[] = [];

  constructor(word: string, env: EnvGetter, options: LexOptions) {
    this.#chars = Array.from(word.toWellFormed());
    if (this.#chars[0] === "\uFEFF") this.#at = 1;
    this.#env = env;
    this.#options = options;
    this.#escape = options.escape ?? "\\";
    this.#rawEscapes = options.rawEscapes ?? false;
  }

  processUntil(stop: string | undefined, rawEscapes: boolean): { result: string; words: string[] } {
    if (++this.#depth > MAX_DEPTH) throw new FrontendError("substitution is nested too deeply");
    const outer = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    try {
      return this.#run(stop);
    } finally {
      this.#rawEscapes = outer;
      this.#depth--;
    }
  }

  #run(stop: string | undefined): { result: string; words: string[] } {
    const result: string[] = [];
    this.#wordBuffer.length = 0;
    const words = new WordList(this.#wordBuffer);
    const quotes = !this.#options.skipProcessQuotes;
    let length = 0;
    for (let char = this.#peek(); char !== undefined; char = this.#peek()) {
      if (char === stop) {
        this.#at++;
        return { result: result.join(""), words: words.finish() };
      }
      let text: string;
      if (char === "$") {
        text = this.#dollar();
        words.addText(text);
      } else if (char === "<") {
        text = this.#possibleHeredoc();
        words.addRaw(text);
      } else if (quotes && (char === "'" || char === '"')) {
        text = char === "'" ? this.#singleQuote() : this.#doubleQuote();
        words.addRaw(text);
      } else {
        this.#at++;
        text = char;
        if (char === this.#escape) {
          if (this.#rawEscapes) {
            words.addRaw(char);
            result.push(char);
          }
          const escaped = this.#next();
          if (escaped === undefined) break;
          text = escaped;
          words.addRaw(text);
        } else words.addChar(text);
      }
      result.push(text);
      length += text.length;
      if (length > MAX_RESULT_LENGTH) throw new FrontendError("the expanded text is too long");
    }
    if (stop !== undefined) {
      throw new FrontendError(`unexpected end of statement while looking for matching ${stop}`);
    }
    return { result: result.join(""), words: words.finish() };
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string | undefined {
    return this.#chars[this.#at++];
  }

  #singleQuote(): string {
    const close = this.#chars.indexOf("'", this.#at + 1);
    if (close < 0) {
      this.#at = this.#chars.length;
      throw new FrontendError("unexpected end of statement while looking for matching single-quote");
    }
    const inner = this.#chars.slice(this.#at + 1, close).join("");
    this.#at = close + 1;
    return this.#options.rawQuotes ? `'${inner}'` : inner;
  }

  #doubleQuote(): string {
    const raw = this.#options.rawQuotes ? '"' : "";
    const result: string[] = [raw];
    let length = 0;
    this.#at++;
    for (;;) {
      const char = this.#peek();
      if (char === undefined) {
        throw new FrontendError("unexpected end of statement while looking for matching double-quote");
      }
      if (char === "$") {
        const value = this.#dollar();
        length += value.length;
        if (length > MAX_RESULT_LENGTH) throw new FrontendError("the expanded text is too long");
        result.push(value);
        continue;
      }
      this.#at++;
      if (char === '"') {
        result.push(raw);
        return result.join("");
      }
      let text = char;
      if (char === this.#escape) {
        if (this.#rawEscapes) result.push(char);
        const next = this.#peek();
        if (next === undefined) continue;
        if (next === '"' || next === "$" || next === this.#escape) {
          this.#at++;
          text = next;
        }
      }
      result.push(text);
    }
  }

  #dollar(): string {
    this.#at++;
    if (this.#peek() !== "{") {
      const name = this.#name();
      if (name === "") return "$";
      const value = this.#lookUp(name);
      return value ?? (this.#options.skipUnsetEnv ? `$${name}` : "");
    }
    this.#at++;
    const first = this.#peek();
    if (first === undefined) throw new FrontendError("syntax error: missing '}'");
    if (first === "{" || first === "}" || first === ":") throw new FrontendError("syntax error: bad substitution");
    const name = this.#name();
    const modifier = this.#next();
    if (modifier === "}") {
      const value = this.#lookUp(name);
      return value ?? (this.#options.skipUnsetEnv ? `\${${name}}` : "");
    }
    if (modifier === "/") return this.#replace(name);
    if (modifier === ":") return this.#modified(name, this.#next(), ":");
    if (modifier !== undefined && "+-?#%".includes(modifier)) return this.#modified(name, modifier, "");
    throw new FrontendError(`unsupported modifier (${modifier ?? "\uFFFD"}) in substitution`);
  }

  #modified(name: string, modifier: string | undefined, colon: "" | ":"): string {
    const written = colon + (modifier ?? "\uFFFD");
    const isTrim = modifier === "#" || modifier === "%";
    if (colon !== "" && isTrim) throw new FrontendError(`unsupported modifier (${written}) in substitution`);
    let word = this.#operand("}", isTrim, "missing '}'");
    const value = this.#lookUp(name);
    if (this.#options.skipUnsetEnv && value === undefined) return `\${${name}${written}${word}}`;
    const isSet = value !== undefined && !(colon !== "" && value === "");
    switch (modifier) {
      case "-":
        return isSet ? value : word;
      case "+":
        return isSet ? word : "";
      case "?":
        if (isSet) return value;
        throw new FrontendError(
          `${name}: ${word || `is not allowed to be ${value === undefined ? "unset" : "empty"}`}`,
        );
      case "#":
      case "%": {
        const greedy = word.startsWith(modifier);
        if (greedy) word = word.slice(1);
        return modifier === "%" ? trimSuffix(word, value ?? "", greedy) : trimPrefix(word, value ?? "", greedy);
      }
      default:
        throw new FrontendError(`unsupported modifier (${written}) in substitution`);
    }
  }

  #replace(name: string): string {
    const all = this.#peek() === "/";
    if (all) this.#at++;
    const pattern = this.#operand("/", true, "missing '/' in ${}");
    const replacement = this.#operand("}", true, "missing '}'");
    const value = this.#lookUp(name);
    if (this.#options.skipUnsetEnv && value === undefined) return `\${${name}/${pattern}/${replacement}}`;
    return substitute(pattern, value ?? "", replacement, all);
  }

  // Text up to `stop`; when the word ends first, the error names what is missing instead of what was being read.
  #operand(stop: string, rawEscapes: boolean, missing: string): string {
    try {
      return this.processUntil(stop, rawEscapes).result;
    } catch (error) {
      if (this.#peek() !== undefined) throw error;
      throw new FrontendError(`syntax error: ${missing}`);
    }
  }

  #name(): string {
    const first = this.#peek();
    if (first === undefined) return "";
    const start = this.#at;
    if (/^\p{Nd}$/u.test(first)) {
      while (/^\p{Nd}$/u.test(this.#peek() ?? "")) this.#at++;
    } else if ("@*#?-$!0".includes(first)) {
      this.#at++;
    } else {
      while (/^[\p{L}\p{Nd}_]$/u.test(this.#peek() ?? "")) this.#at++;
    }
    return this.#chars.slice(start, this.#at).join("");
  }

  #possibleHeredoc(): string {
    this.#at++;
    if (this.#peek() !== "<") return "<";
    this.#at++;
    const start = this.#at;
    while (/^[ \t\r]$/.test(this.#peek() ?? "")) this.#at++;
    return `<<${this.#chars.slice(start, this.#at).join("")}`;
  }

  #lookUp(name: string): string | undefined {
    const value = this.#env.get(name);
    (value === undefined ? this.unmatched : this.matched).add(name);
    return value;
  }
}

/** A getter over `KEY=value` texts; the last of a name counts. */
export function envOfList(list: readonly string[]): EnvGetter {
  const values = new Map<string, string>();
  for (const entry of list) {
    const at = entry.indexOf("=");
    values.set(at < 0 ? entry : entry.slice(0, at), at < 0 ? "" : entry.slice(at + 1));
  }
  return { get: (key) => values.get(key), keys: () => list.map((entry) => entry.split("=", 1)[0]!) };
}
