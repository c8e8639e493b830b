// Parser directives: `# key=value` comments before everything else, in a Dockerfile or, for syntax, in other comment styles.
// Counterpart: moby/buildkit frontend/dockerfile/parser/directives.go.

import { trimSpaceStart } from "../../../formats/patterns/index.ts";
import { FrontendError, linesOf } from "../source-error.ts";
import type { Location } from "../source-error.ts";
import { decodeText } from "../go/text.ts";

export interface Directive {
  readonly name: string;
  readonly value: string;
  readonly location: Location;
}

const KNOWN = new Set(["syntax", "escape", "check"]);

/** Reads directives line by line until the first line that is none. */
export class DirectiveParser {
  readonly #comment: string;
  readonly #seen = new Set<string>();
  #line: number;
  #done = false;

  constructor(options: { comment?: string; line?: number } = {}) {
    this.#comment = options.comment ?? "#";
    this.#line = options.line ?? 0;
  }

  get done(): boolean {
    return this.#done;
  }

  /** The directive on this line, if it is one. @throws FrontendError when a directive is repeated */
  parseLine(line: string): Directive | undefined {
    this.#line++;
    if (this.#done) return undefined;
    const found = line.startsWith(this.#comment)
      ? parseKeyValue(trimSpaceStart(line.slice(this.#comment.length)))
      : undefined;
    if (found === undefined || !KNOWN.has(found.name)) {
      this.#done = true;
      return undefined;
    }
    if (this.#seen.has(found.name)) {
      throw new FrontendError(`only one ${found.name} parser directive can be used`);
    }
    this.#seen.add(found.name);
    return { ...found, location: linesOf(this.#line, this.#line) };
  }
}

// `name = value`, the value without surrounding white space and without newlines inside.
function parseKeyValue(text: string): { name: string; value: string } | undefined {
  const match = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=/.exec(text);
  if (match === null) return undefined;
  const raw = text.slice(match[0].length);
  let start = 0;
  let end = raw.length;
  while (start < end && isBlank(raw[start]!)) start++;
  while (end > start && isBlank(raw[end - 1]!)) end--;
  // A value of white space only is its last character.
  const value = start === end ? raw.slice(-1) : raw.slice(start, end);
  if (value === "" || value.includes("\n")) return undefined;
  return { name: match[1]!.toLowerCase(), value };
}

function isBlank(char: string): boolean {
  return char === " " || char === "\t" || char === "\n" || char === "\f" || char === "\r";
}

/** The value of a directive in a file, in `#` style. */
export function findDirective(name: string, data: Uint8Array): Directive | undefined {
  const { text, line } = withoutShebang(decodeText(data));
  return findWith(name, text, new DirectiveParser({ line }));
}

/** The `syntax` directive: in `#` or `//` style, or as a member of a JSON object. `image` is its first word. */
export function detectSyntax(data: Uint8Array): { image: string; cmdline: string; location: Location } | undefined {
  const { text, line } = withoutShebang(decodeText(data));
  const found =
    findWith("syntax", text, new DirectiveParser({ line })) ??
    findWith("syntax", text, new DirectiveParser({ line, comment: "//" })) ??
    fromJson(text, line);
  if (found === undefined) return undefined;
  const isJson = found.name === "json";
  return {
    image: isJson ? found.value : found.value.split(" ", 1)[0]!,
    cmdline: found.value,
    location: found.location,
  };
}

function fromJson(text: string, line: number): Directive | undefined {
  if (!trimSpaceStart(text).startsWith("{")) return undefined;
  try {
    const value = (JSON.parse(text) as Record<string, unknown>)["syntax"];
    return typeof value === "string" ? { name: "json", value, location: linesOf(line, line) } : undefined;
  } catch {
    return undefined;
  }
}

function findWith(name: string, text: string, parser: DirectiveParser): Directive | undefined {
  try {
    for (let at = 0; at <= text.length;) {
      const newline = text.indexOf("\n", at);
      const end = newline < 0 ? text.length : newline;
      const line = text.slice(at, end);
      const found = parser.parseLine(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (found?.name === name) return found;
      if (parser.done) return undefined;
      at = end + 1;
    }
  } catch {
    // A repeated directive ends the search; the real parser reports it.
  }
  return undefined;
}

function withoutShebang(raw: string): { text: string; line: number } {
  const text = raw.startsWith("\uFEFF") ? raw.slice(1) : raw;
  if (!text.startsWith("#!")) return { text, line: 0 };
  const newline = text.indexOf("\n");
  return { text: newline < 0 ? "" : text.slice(newline + 1), line: 1 };
}
