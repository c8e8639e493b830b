// Bytes to logical lines to nodes: directives, comments, continuations, heredocs. One node for each instruction.
// Counterpart: moby/buildkit frontend/dockerfile/parser/parser.go.

import { trimSpace, trimSpaceStart } from "../../../formats/patterns/index.ts";
import { decodeText } from "../go/text.ts";
import { FrontendError, linesOf, withLocation } from "../source-error.ts";
import { DirectiveParser } from "./directives.ts";
import { heredocsOfLine } from "./heredoc.ts";
import type { Heredoc } from "./heredoc.ts";
import { LINE_PARSERS } from "./line-parsers.ts";
import { splitCommand } from "./split-command.ts";

/** One instruction as written. */
export interface Node {
  /** The instruction word as written; "" for an empty line of ONBUILD. */
  readonly instruction: string;
  /** The joined logical line, not trimmed. */
  readonly original: string;
  readonly flags: readonly string[];
  readonly args: readonly string[];
  readonly json: boolean;
  /** The instruction inside ONBUILD. */
  readonly sub: Node | undefined;
  /** Lines of the comment block directly above; undefined when there is none. */
  readonly comments: readonly string[] | undefined;
  heredocs: readonly Heredoc[];
  startLine: number;
  endLine: number;
}

export interface ParsedFile {
  readonly nodes: readonly Node[];
  readonly escape: string;
  /** Lines that end an instruction with empty continuation lines inside. */
  readonly emptyContinuationLines: readonly number[];
}

const MAX_LINE_BYTES = 65_536;
const MAX_ONBUILD_DEPTH = 50;
const HEREDOC_INSTRUCTIONS = new Set(["add", "copy", "run"]);

/** Parses a Dockerfile. @throws FrontendError with the lines it is about */
export function parseDockerfile(data: Uint8Array): ParsedFile {
  return new Parser(data).parse();
}

// Raw lines with their line ends, as long as they are not too long.
class LineReader {
  readonly #data: Uint8Array;
  #at = 0;
  #tooLong = false;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get tooLong(): boolean {
    return this.#tooLong;
  }

  next(): string | undefined {
    if (this.#tooLong || this.#at >= this.#data.length) return undefined;
    const newline = this.#data.indexOf(0x0a, this.#at);
    const end = newline < 0 ? this.#data.length : newline + 1;
    const limit = newline < 0 ? MAX_LINE_BYTES - 1 : MAX_LINE_BYTES;
    if (end - this.#at > limit) {
      this.#tooLong = true;
      return undefined;
    }
    const line = decodeText(this.#data.subarray(this.#at, end));
    this.#at = end;
    return line;
  }
}

class Parser {
  readonly #reader: LineReader;
  readonly #directives = new DirectiveParser();
  readonly #nodes: Node[] = [];
  readonly #emptyContinuationLines: number[] = [];
  #escape = "\\";
  #line = 0;
  #comments: string[] | undefined;

  constructor(data: Uint8Array) {
    this.#reader = new LineReader(data);
  }

  parse(): ParsedFile {
    for (let raw = this.#reader.next(); raw !== undefined; raw = this.#reader.next()) {
      if (this.#line === 0 && raw.startsWith("\uFEFF")) raw = raw.slice(1);
      this.#parseLine(raw);
    }
    if (this.#nodes.length === 0) throw this.#located(new FrontendError("file with no instructions"), this.#line, 0);
    if (this.#reader.tooLong) {
      const error = new FrontendError(`dockerfile line greater than max allowed size of ${MAX_LINE_BYTES - 1}`);
      throw this.#located(error, this.#line, 0);
    }
    return {
      nodes: this.#nodes,
      escape: this.#escape,
      emptyContinuationLines: this.#emptyContinuationLines,
    };
  }

  #parseLine(raw: string): void {
    this.#noteComment(raw);
    const stripped = trimSpaceStart(trimNewline(raw));
    if (this.#readDirective(stripped)) this.#comments!.pop();
    this.#line++;
    const startLine = this.#line;
    const first = this.#trimContinuation(isComment(stripped) ? "" : stripped);
    if (!first.continues && first.text === "") return;
    const line = first.continues ? this.#joinContinuations(first.text) : first.text;
    const node = this.#attempt(startLine, () => newNode(line, this.#escape, this.#comments));
    if (canHaveHeredoc(node) && line.includes("<<")) {
      const heredocs = this.#attempt(startLine, () => heredocsOfLine(line));
      node.heredocs = heredocs.map((heredoc) => this.#readHeredoc(heredoc, startLine));
    }
    node.startLine = startLine;
    node.endLine = this.#line;
    this.#nodes.push(node);
    this.#comments = undefined;
  }

  #noteComment(raw: string): void {
    if (!isComment(raw)) return;
    const comment = trimSpace(raw.slice(1));
    if (comment === "") this.#comments = undefined;
    else (this.#comments ??= []).push(comment);
  }

  #readDirective(line: string): boolean {
    try {
      const directive = this.#directives.parseLine(line);
      if (directive?.name === "escape") {
        if (directive.value !== "`" && directive.value !== "\\") {
          throw new FrontendError(`invalid escape token '${directive.value}' does not match \` or \\`);
        }
        this.#escape = directive.value;
      }
      return directive !== undefined;
    } catch (error) {
      throw this.#located(error, this.#line, 0);
    }
  }

  #joinContinuations(first: string): string {
    const parts = [first];
    let hasEmptyLine = false;
    for (let raw = this.#reader.next(); raw !== undefined; raw = this.#reader.next()) {
      const stripped = trimNewline(raw);
      this.#readDirective(stripped);
      this.#line++;
      if (isComment(raw)) continue;
      if (trimSpaceStart(stripped) === "") {
        hasEmptyLine = true;
        continue;
      }
      const { text, continues } = this.#trimContinuation(stripped);
      parts.push(text);
      if (!continues) break;
    }
    if (hasEmptyLine) this.#emptyContinuationLines.push(this.#line);
    return parts.join("");
  }

  // A line goes on when its last character but blanks is an escape that is not itself escaped.
  #trimContinuation(line: string): { text: string; continues: boolean } {
    let end = line.length;
    while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end--;
    const continues = end > 0 && line[end - 1] === this.#escape && line[end - 2] !== this.#escape;
    return { text: continues ? line.slice(0, end - 1) : line, continues };
  }

  #readHeredoc(heredoc: Heredoc, startLine: number): Heredoc {
    const content: string[] = [];
    for (let raw = this.#reader.next(); raw !== undefined; raw = this.#reader.next()) {
      this.#line++;
      const candidate = trimNewline(raw);
      if ((heredoc.chomp ? candidate.replace(/^\t+/, "") : candidate) === heredoc.name) {
        return { ...heredoc, content: content.join("") };
      }
      content.push(raw);
    }
    throw this.#located(new FrontendError("unterminated heredoc"), startLine, this.#line);
  }

  #attempt<T>(startLine: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#located(error, startLine, this.#line);
    }
  }

  #located(error: unknown, start: number, end: number): unknown {
    return withLocation(error, linesOf(start, end));
  }
}

function newNode(line: string, escape: string, comments: readonly string[] | undefined, depth = 0): Node {
  const { command, flags, args: rest } = splitCommand(line, escape);
  const name = command.toLowerCase();
  // ONBUILD inside ONBUILD is refused later; a long chain of them is not followed to its end.
  const isOnbuild = name === "onbuild" && rest !== "" && depth < MAX_ONBUILD_DEPTH;
  const sub = isOnbuild ? newNode(rest, escape, undefined, depth + 1) : undefined;
  const { args, json } = LINE_PARSERS.get(name)?.(rest, escape) ?? { args: isKnown(name) ? [] : [""], json: false };
  return {
    instruction: command,
    original: line,
    flags,
    args: sub === undefined ? args : [sub.instruction, ...sub.args],
    json,
    sub,
    comments,
    heredocs: [],
    startLine: 0,
    endLine: 0,
  };
}

function isKnown(name: string): boolean {
  return name === "onbuild" || LINE_PARSERS.has(name);
}

function canHaveHeredoc(node: Node): boolean {
  const carrier = node.instruction.toLowerCase() === "onbuild" ? (node.sub ?? node) : node;
  return HEREDOC_INSTRUCTIONS.has(carrier.instruction.toLowerCase()) && !carrier.json;
}

function isComment(line: string): boolean {
  return trimSpaceStart(line).startsWith("#");
}

function trimNewline(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === "\n" || line[end - 1] === "\r")) end--;
  return line.slice(0, end);
}
