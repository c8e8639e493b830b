// Splits a command line into words as a shell does, without expanding anything. Counterpart: mattn/go-shellwords.

import { composeError } from "./error.ts";

/** The words of a text. @throws COMPOSE_INVALID for an open quote or a trailing backslash. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\" && quote !== "'") {
      const next = text[++at];
      if (next === undefined) throw composeError("invalid command line string");
      word = (word ?? "") + (quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next);
    } else if (quote !== "") {
      if (char === quote) quote = "";
      else word = (word ?? "") + char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + char;
  }
  if (quote !== "") throw composeError("invalid command line string");
  if (word !== undefined) words.push(word);
  return words;
}
