// What follows an instruction word, by the kind of instruction: words, JSON lists, `name=value` pairs, whole text.
// Counterpart: frontend/dockerfile/parser/line_parsers.go.

import { isSpace, trimSpaceStart } from "../../../formats/patterns/index.ts";
import { quote } from "../go/format.ts";
import { splitAll, splitOnce } from "../go/text.ts";
import { FrontendError } from "../source-error.ts";

/** The arguments of a line. */
export interface ParsedArgs {
  readonly args: readonly string[];
  /** Exec form: the arguments were a JSON list. */
  readonly json: boolean;
}

type LineParser = (rest: string, escape: string) => ParsedArgs;

const NONE: ParsedArgs = { args: [], json: false };

/** The parsers of the known instructions but ONBUILD, by lower-case name. */
export const LINE_PARSERS: ReadonlyMap<string, LineParser> = new Map<string, LineParser>([
  ["add", jsonOrWords],
  ["arg", (rest, escape) => plain(parseWords(rest, escape))],
  ["cmd", jsonOrText],
  ["copy", jsonOrWords],
  ["entrypoint", jsonOrText],
  ["env", (rest, escape) => nameValues(rest, "ENV", escape)],
  ["expose", spacedWords],
  ["from", spacedWords],
  ["healthcheck", healthcheck],
  ["label", (rest, escape) => nameValues(rest, "LABEL", escape)],
  ["maintainer", wholeText],
  ["run", jsonOrText],
  ["shell", jsonOrText],
  ["stopsignal", wholeText],
  ["user", wholeText],
  ["volume", jsonOrWords],
  ["workdir", wholeText],
]);

function plain(args: readonly string[]): ParsedArgs {
  return { args, json: false };
}

function wholeText(rest: string): ParsedArgs {
  return rest === "" ? NONE : plain([rest]);
}

function spacedWords(rest: string): ParsedArgs {
  return rest === "" ? NONE : plain(splitAll(rest));
}

function jsonOrText(rest: string): ParsedArgs {
  return rest === "" ? NONE : (parseJsonList(rest) ?? plain([rest]));
}

function jsonOrWords(rest: string): ParsedArgs {
  return parseJsonList(rest) ?? spacedWords(rest);
}

function healthcheck(rest: string): ParsedArgs {
  let end = 0;
  while (end < rest.length && !isSpace(rest.charCodeAt(end))) end++;
  if (end === 0) return NONE;
  const command = jsonOrText(trimSpaceStart(rest.slice(end)));
  return { args: [rest.slice(0, end), ...command.args], json: command.json };
}

// Triples of name, value and "=" (or "" in the old form `NAME value`).
function nameValues(rest: string, instruction: string, escape: string): ParsedArgs {
  const words = parseWords(rest, escape);
  if (words.length === 0) return NONE;
  if (!words[0]!.includes("=")) {
    const [name, value] = splitOnce(rest);
    if (value === undefined) throw new FrontendError(`${instruction} must have two arguments`);
    return plain([name!, value, ""]);
  }
  const triples: string[] = [];
  for (const word of words) {
    const at = word.indexOf("=");
    if (at < 0) {
      throw new FrontendError(`Syntax error - can't find = in ${quote(word)}. Must be of the form: name=value`);
    }
    triples.push(word.slice(0, at), word.slice(at + 1), "=");
  }
  return plain(triples);
}

// A list of strings in JSON; undefined when it is not one, an error when it is a list of something else.
function parseJsonList(text: string): ParsedArgs | undefined {
  const rest = trimSpaceStart(text);
  if (!rest.startsWith("[")) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(rest.toWellFormed());
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const args = list.map((item: unknown) => {
    if (typeof item !== "string") {
      throw new FrontendError("when using JSON array syntax, arrays must be comprised of strings only");
    }
    return item.toWellFormed();
  });
  return { args, json: true };
}

/** Words with their quotes and escapes still in place. */
function parseWords(rest: string, escape: string): string[] {
  const words: string[] = [];
  const chars = Array.from(rest, (char) => (char.isWellFormed() ? char : "\uFFFD"));
  let word = "";
  let blankOk = false;
  let quoted = "";
  let inWord = false;
  for (let at = 0; at < chars.length; at++) {
    let char = chars[at]!;
    const space = quoted === "" && isSpace(char.codePointAt(0)!);
    if (!inWord) {
      if (space) continue;
      inWord = true;
    }
    if (space) {
      inWord = false;
      if (blankOk || word !== "") words.push(word);
      word = "";
      blankOk = false;
      continue;
    }
    const wasQuoted = quoted;
    if (quoted !== "") {
      if (char === quoted) quoted = "";
    } else if (char === "'" || char === '"') {
      quoted = char;
      blankOk = true;
    }
    // Nothing is escaped inside single quotes.
    if (char === escape && wasQuoted !== "'") {
      if (at + 1 === chars.length) {
        quoted = "";
        continue;
      }
      word += char;
      char = chars[++at]!;
    }
    word += char;
  }
  if (inWord && (blankOk || word !== "")) words.push(word);
  return words;
}
