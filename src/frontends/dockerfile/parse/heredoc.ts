// Heredocs: `<<NAME`, `<<-NAME`, `<<"NAME"` words of RUN, COPY and ADD. Counterpart: frontend/dockerfile/parser/parser.go.

import { Lex, NO_ENV } from "../shell/lex.ts";
import { FrontendError } from "../source-error.ts";

export interface Heredoc {
  readonly name: string;
  readonly fileDescriptor: number;
  /** Variables are expanded in the text: no part of the name was quoted. */
  readonly expand: boolean;
  /** Leading tabs are dropped. */
  readonly chomp: boolean;
  readonly content: string;
}

const PLAIN = new Lex({ skipUnsetEnv: true });
const RAW_QUOTES = new Lex({ skipUnsetEnv: true, rawQuotes: true });
const RAW = new Lex({ skipUnsetEnv: true, rawQuotes: true, rawEscapes: true });

/** The heredoc that a word announces, without content; undefined when the word is none. @throws FrontendError */
export function parseHeredoc(word: string): Heredoc | undefined {
  const match = /^([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)$/.exec(word);
  if (match === null || match[3] === "") return undefined;
  const rest = match[3]!;
  const words = PLAIN.words(rest, NO_ENV);
  if (words.length !== 1) return undefined;
  const raw = RAW_QUOTES.words(rest, NO_ENV);
  if (raw.length !== 1) {
    throw new FrontendError(`internal lexing of heredoc produced inconsistent results: ${rest}`);
  }
  return {
    name: words[0]!,
    fileDescriptor: Number(match[1]!.slice(0, 15)),
    expand: countQuotes(words[0]!) === countQuotes(raw[0]!),
    chomp: match[2] === "-",
    content: "",
  };
}

/** Like {@link parseHeredoc}; a word that cannot be read is none. */
export function tryParseHeredoc(word: string): Heredoc | undefined {
  try {
    return parseHeredoc(word);
  } catch {
    return undefined;
  }
}

/** The heredocs that a logical line announces, in order. @throws FrontendError */
export function heredocsOfLine(line: string): Heredoc[] {
  let words: readonly string[];
  try {
    words = RAW.words(line, NO_ENV);
  } catch {
    return [];
  }
  return words.map(parseHeredoc).filter((heredoc) => heredoc !== undefined);
}

/** Drops the tabs at the start of each line. */
export function chompTabs(text: string): string {
  return text.replace(/(^|\n)\t+/g, "$1");
}

function countQuotes(text: string): number {
  return text.replace(/[^'"]/g, "").length;
}
