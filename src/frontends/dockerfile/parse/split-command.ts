// A logical line's instruction word, its `--flags` and the rest. Flags are scanned byte by byte as BuildKit does, so text
// beyond ASCII in a flag comes out as if it were Latin-1. Counterpart: frontend/dockerfile/parser/split_command.go.

import { isSpace, trimSpace } from "../../../formats/patterns/index.ts";
import { decodeText, encodeText, splitOnce } from "../go/text.ts";

export interface SplitLine {
  readonly command: string;
  readonly flags: readonly string[];
  readonly args: string;
}

/** Splits a logical line. */
export function splitCommand(line: string, escape: string): SplitLine {
  const [command, rest] = splitOnce(trimSpace(line));
  if (rest === undefined) return { command: command!, flags: [], args: "" };
  const { flags, args } = extractFlags(rest, escape);
  return { command: command!, flags, args: trimSpace(args) };
}

function extractFlags(line: string, escape: string): { flags: string[]; args: string } {
  if (!/^[\t-\r ]*--/.test(line) && !/^[\u0085\u00a0]/.test(line)) return { flags: [], args: line };
  const bytes = Buffer.from(encodeText(line)).toString("latin1");
  const rest = (at: number) => decodeText(Buffer.from(bytes.slice(at), "latin1"));
  const flags: string[] = [];
  let word = "";
  let blankOk = false;
  let quote = "";
  let inWord = false;
  for (let at = 0; at < bytes.length; at++) {
    let char = bytes[at]!;
    if (!inWord) {
      if (isSpace(char.charCodeAt(0))) continue;
      if (char !== "-" || bytes[at + 1] !== "-") return { flags, args: rest(at) };
      inWord = true;
    }
    if (quote === "") {
      if (isSpace(char.charCodeAt(0))) {
        inWord = false;
        if (word === "--") return { flags, args: rest(at) };
        if (blankOk || word !== "") flags.push(word);
        word = "";
        blankOk = false;
        continue;
      }
      if (char === "'" || char === '"') {
        quote = char;
        blankOk = true;
        continue;
      }
    } else if (char === quote) {
      quote = "";
      continue;
    }
    if (char === escape) {
      if (at + 1 === bytes.length) {
        quote = "";
        continue;
      }
      char = bytes[++at]!;
    }
    word += char;
  }
  if (inWord && word !== "--" && (blankOk || word !== "")) flags.push(word);
  return { flags, args: "" };
}
