// Parses JSON with positions, so that messages can point into the file. Counterpart: hashicorp/hcl json/scanner.go, parser.go.

import { BigFloat } from "../values/big-float.ts";
import type { JsonNode, JsonProperty } from "./json-nodes.ts";
import { between, columnsOf } from "./source.ts";
import type { Diagnostic, Position, Range } from "./source.ts";

interface Token {
  readonly type: "{" | "}" | "[" | "]" | "," | ":" | "=" | "string" | "number" | "keyword" | "invalid" | "end";
  readonly text: string;
  readonly range: Range;
}

const MAX_DEPTH = 500;

/** Reads one value that fills the text. Complaints go to `diagnostics`. */
export function parseJson(text: string, filename: string, diagnostics: Diagnostic[]): JsonNode {
  const parser = new JsonParser(scanJson(text, filename), diagnostics);
  return parser.file();
}

function scanJson(text: string, filename: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let column = 1;
  const place = (): Position => ({ line, column });
  const end = () => tokens.push({ type: "end", text: "", range: { filename, start: place(), end: place() } });
  const emit = (type: Token["type"], length: number, columns = length): void => {
    const start = place();
    column += columns;
    tokens.push({ type, text: text.slice(at, at + length), range: { filename, start, end: place() } });
    at += length;
  };
  while (at < text.length) {
    const next = text[at]!;
    if (next === "\n") {
      line++;
      column = 1;
    } else if (next === " ") column++;
    // A tab counts as two columns, as HCL's reader has it.
    else if (next === "\t") column += 2;
    if (/[ \t\r\n]/.test(next)) {
      at++;
      continue;
    }
    if (/[{}[\],:=]/.test(next)) emit(next as Token["type"], 1);
    else if (next === '"') {
      const length = stringLength(text, at);
      emit("string", length, columnsOf(text.slice(at, at + length)));
    } else {
      const number = /[-+.0-9][-+.eE0-9]*/y;
      const keyword = /[a-zA-Z][a-zA-Z_]*/y;
      number.lastIndex = keyword.lastIndex = at;
      if (number.test(text)) emit("number", number.lastIndex - at);
      else if (keyword.test(text)) emit("keyword", keyword.lastIndex - at);
      else {
        emit("invalid", 1);
        break;
      }
    }
  }
  end();
  return tokens;
}

/** Up to the closing quote; a control character ends a string that has none. */
function stringLength(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const next = text.charCodeAt(at);
    if (next < 32) break;
    if (next === 0x5c && at + 1 < text.length && text.charCodeAt(at + 1) >= 32) at += 2;
    else {
      at++;
      if (next === 0x22) break;
    }
  }
  return at - start;
}

const needsValue = "A JSON value must start with a brace, a bracket, a number, a string, or a keyword.";

class JsonParser {
  readonly #tokens: readonly Token[];
  readonly #diagnostics: Diagnostic[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], diagnostics: Diagnostic[]) {
    this.#tokens = tokens;
    this.#diagnostics = diagnostics;
  }

  file(): JsonNode {
    const before = this.#diagnostics.length;
    const node = this.#value();
    if (this.#diagnostics.length === before && this.#peek().type !== "end") {
      this.#complain("Extraneous data after value", "Nothing may follow the JSON value.", this.#peek().range);
    }
    return node;
  }

  #value(): JsonNode {
    const token = this.#peek();
    if (this.#depth >= MAX_DEPTH) {
      this.#at = this.#tokens.length - 1;
      return this.#invalid("Value nested too deeply", `JSON values may nest ${MAX_DEPTH} levels deep.`, token.range);
    }
    this.#depth++;
    try {
      return this.#valueOf(token) ?? { kind: "invalid", range: token.range };
    } finally {
      this.#depth--;
    }
  }

  #valueOf(token: Token): JsonNode | undefined {
    switch (token.type) {
      case "{":
        return this.#object(this.#read());
      case "[":
        return this.#array(this.#read());
      case "number":
        return this.#number(this.#read());
      case "string":
        return this.#string(this.#read());
      case "keyword":
        return this.#keyword(this.#read());
      case "}":
        return this.#invalid("Missing JSON value", needsValue, token.range);
      case "]":
        return this.#invalid("Missing array element value", needsValue, token.range);
      case "end":
        return this.#invalid("Missing value", "The JSON data ends prematurely.", token.range);
      default:
        return this.#invalid("Invalid start of value", needsValue, token.range);
    }
  }

  #object(open: Token): JsonNode | undefined {
    const properties: JsonProperty[] = [];
    const give = (summary: string, detail: string, range: Range): undefined => {
      this.#complain(summary, detail, range);
    };
    while (this.#peek().type !== "}") {
      const key = this.#value();
      if (key.kind !== "string") {
        return give("Invalid object property name", "A property's name must be a string.", key.openRange ?? key.range);
      }
      const colon = this.#read();
      if (colon.type !== ":") {
        this.#recover(colon, "{", "}");
        if (colon.type === "}" || colon.type === ",") {
          return give("Missing object value", "A property needs a value, behind a colon.", colon.range);
        }
        const detail =
          colon.type === "="
            ? "JSON has a colon here, not an equals sign."
            : "A colon must stand between name and value.";
        return give("Missing property value colon", detail, colon.range);
      }
      properties.push({ name: key.text, nameRange: key.range, value: this.#value() });
      const next = this.#peek();
      if (next.type === "}") break;
      if (next.type === "end") return give("Unclosed object", "This object has no closing brace.", open.range);
      const separator = this.#read();
      if (next.type === ",") {
        if (this.#peek().type !== "}") continue;
        return give("Trailing comma in object", "JSON has no comma behind the last property.", separator.range);
      }
      if (next.type === "]") {
        return give("Mismatched braces", "An object is closed with a brace, not a bracket.", this.#peek().range);
      }
      this.#recover(separator, "{", "}");
      return give("Missing attribute seperator comma", "A comma must stand between properties.", this.#peek().range);
    }
    const close = this.#read();
    return {
      kind: "object",
      properties,
      range: between(open.range, close.range),
      openRange: open.range,
      closeRange: close.range,
    };
  }

  #array(open: Token): JsonNode | undefined {
    const items: JsonNode[] = [];
    const give = (summary: string, detail: string, range: Range): undefined => {
      this.#complain(summary, detail, range);
    };
    while (this.#peek().type !== "]") {
      items.push(this.#value());
      const next = this.#peek();
      if (next.type === "]") break;
      const separator = this.#read();
      if (next.type === ",") {
        if (this.#peek().type !== "]") continue;
        return give("Trailing comma in array", "JSON has no comma behind the last value.", separator.range);
      }
      this.#recover(separator, "[", "]");
      if (next.type === ":") return give("Invalid array value", "Array values have no names.", this.#peek().range);
      if (next.type === "end") return give("Unclosed object", "This array has no closing bracket.", open.range);
      if (next.type === "}") {
        return give("Mismatched brackets", "An array is closed with a bracket, not a brace.", this.#peek().range);
      }
      return give("Missing attribute seperator comma", "A comma must stand between values.", this.#peek().range);
    }
    const close = this.#read();
    return { kind: "array", items, range: between(open.range, close.range), openRange: open.range };
  }

  #number({ text, range }: Token): JsonNode {
    const valid = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text);
    const number = valid ? BigFloat.parse(text) : undefined;
    if (number === undefined) return this.#invalid("Invalid JSON number", `${text} is not a JSON number.`, range);
    return { kind: "number", number, range };
  }

  #string({ text, range }: Token): JsonNode {
    try {
      return { kind: "string", text: JSON.parse(text) as string, range };
    } catch {
      const at = errorOffset(text);
      const start = { line: range.start.line, column: range.start.column + at };
      const subject = { filename: range.filename, start, end: { line: start.line, column: start.column + 1 } };
      return this.#invalid("Invalid JSON string", "The string has a bad escape, or no end.", subject, range);
    }
  }

  #keyword({ text, range }: Token): JsonNode {
    if (text === "true" || text === "false") return { kind: "bool", value: text === "true", range };
    if (text === "null") return { kind: "null", range };
    return this.#invalid(
      "Invalid JSON keyword",
      `${JSON.stringify(text)} is not a JSON keyword (true, false, null).`,
      range,
    );
  }

  #invalid(summary: string, detail: string, subject: Range, range = subject): JsonNode {
    this.#complain(summary, detail, subject);
    return { kind: "invalid", range };
  }

  #complain(summary: string, detail: string, subject: Range): void {
    this.#diagnostics.push({ summary, detail, subject });
  }

  /** Skips to behind what seems to be the end of the current object or array. */
  #recover(from: Token, open: string, close: string): void {
    let depth = 1;
    for (let token = from; token.type !== "end"; token = this.#read()) {
      if (token.type === open) depth++;
      else if (token.type === close && --depth <= 1) return;
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #read(): Token {
    const token = this.#peek();
    if (token.type !== "end") this.#at++;
    return token;
  }
}

/** How many bytes of a JSON string are read before it is found bad. */
function errorOffset(text: string): number {
  // oxlint-disable-next-line no-control-regex -- JSON strings hold no control characters
  const good = /^"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/u.exec(text)?.[0] ?? "";
  const rest = text.slice(good.length);
  const unicode = /^\\u[0-9a-fA-F]*/.exec(rest)?.[0].length ?? 0;
  const more = unicode > 0 ? unicode + 1 : rest.startsWith("\\") ? 2 : rest.length > 0 ? 1 : 0;
  return Buffer.byteLength(good) + Math.min(more, rest.length);
}
