// Go's text/template as far as commands' `--format` needs it: fields, indexes, pipelines, variables, if, range, with, comments, trim
// markers and the functions that people use. What is not understood is refused by name. Structs are values whose fields have two names:
// that of Go, for templates, and that of JSON. Counterpart: Go text/template.

import { goJson, goQuote } from "../formats/oci/index.ts";

/** A field of a struct: how templates call it, how JSON does, its value, and whether zero is left out of JSON. */
export type GoField = readonly [name: string, json: string, value: unknown, omitEmpty?: boolean];

/** A value with fixed fields; asking for another is an error, as in Go. */
export class GoStruct {
  readonly fields: ReadonlyMap<string, GoField>;

  constructor(fields: readonly GoField[]) {
    this.fields = new Map(fields.map((field) => [field[0], field]));
  }

  /** As encoding/json writes it. */
  toValue(): Record<string, unknown> {
    const kept = [...this.fields.values()].filter(
      ([, json, value, omit]) => json !== "" && !(omit === true && isEmpty(value)),
    );
    return Object.fromEntries(kept.map(([, json, value]) => [json, plain(value)]));
  }
}

/** The value as goJson takes it. */
export function plain(value: unknown): unknown {
  if (value instanceof GoStruct) return value.toValue();
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map)
    return new Map(Array.from(value as Map<string, unknown>, ([key, item]) => [key, plain(item)]));
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array))
    return new Map(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}

export type GoFunctions = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** Fills a template; `functions` come beside the built-in ones. @throws Error for what is not understood, and for missing fields. */
export function executeTemplate(template: string, data: unknown, functions: GoFunctions = {}): string {
  const parser = new Parser(tokens(template));
  const nodes = parser.list([]);
  const scope = new Map<string, unknown>([["$", data]]);
  return new Runner({ ...builtIns, ...functions }).run(nodes, data, scope);
}

type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "pipe"; readonly source: string; readonly words: readonly Word[] }
  | Block;

interface Block {
  readonly kind: "if" | "with" | "range";
  readonly source: string;
  readonly words: readonly Word[];
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}

type Word =
  | { readonly kind: "field"; readonly path: readonly string[] }
  | { readonly kind: "variable"; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "group"; readonly words: readonly Word[]; readonly path: readonly string[] }
  | { readonly kind: "mark"; readonly mark: "|" | ":=" | "=" | "," };

type Token = { readonly text: string } | { readonly action: string };

function tokens(template: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  let trimNext = false;
  while (at <= template.length) {
    const start = template.indexOf("{{", at);
    let text = template.slice(at, start < 0 ? undefined : start);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, "");
    const trimsLeft = start >= 0 && /^\{\{-[ \t\r\n]/.test(template.slice(start, start + 4));
    found.push({ text: trimsLeft ? text.replace(/[ \t\r\n]+$/, "") : text });
    if (start < 0) break;
    const end = endOfAction(template, start + 2);
    let action = template.slice(start + 2, end);
    if (trimsLeft) action = action.slice(1);
    trimNext = /[ \t\r\n]-$/.test(action);
    if (trimNext) action = action.slice(0, -1);
    found.push({ action: action.trim() });
    at = end + 2;
  }
  return found;
}

function endOfAction(template: string, from: number): number {
  for (let at = from; at < template.length; at++) {
    const char = template[at]!;
    if (char === '"' || char === "`") {
      for (at++; at < template.length && template[at] !== char; at++) if (char === '"' && template[at] === "\\") at++;
    } else if (template.startsWith("}}", at)) return at;
  }
  throw new Error("template: unclosed action");
}

const WORD =
  /\s*(?:("(?:[^"\\]|\\.)*"|`[^`]*`)|(-?\d+(?:\.\d+)?)\b|(\|)|(:=|=)|(,)|(\$[\w]*)((?:\.\w+)*)|((?:\.\w+)+)|(\.)|([A-Za-z_]\w*)|(\()|(\))((?:\.\w+)*))/y;

/** Words of an action; parentheses nest. */
function wordsOf(action: string): Word[] {
  const stack: Word[][] = [[]];
  WORD.lastIndex = 0;
  while (WORD.lastIndex < action.trimEnd().length) {
    const match = WORD.exec(action);
    if (match === null) throw refuse(action);
    const [, text, number, pipe, assign, comma, variable, after, field, dot, name, open, close, tail] = match;
    const top = stack.at(-1)!;
    const path = (dotted: string | undefined) => (dotted ?? "").split(".").filter((part) => part !== "");
    if (text !== undefined)
      top.push({ kind: "value", value: text.startsWith("`") ? text.slice(1, -1) : unquote(text) });
    else if (number !== undefined) top.push({ kind: "value", value: Number(number) });
    else if (pipe !== undefined) top.push({ kind: "mark", mark: "|" });
    else if (assign !== undefined) top.push({ kind: "mark", mark: assign as ":=" | "=" });
    else if (comma !== undefined) top.push({ kind: "mark", mark: "," });
    else if (variable !== undefined) top.push({ kind: "variable", name: variable, path: path(after) });
    else if (field !== undefined || dot !== undefined) top.push({ kind: "field", path: path(field) });
    else if (name !== undefined) top.push(constant(name) ?? { kind: "name", name });
    else if (open !== undefined) stack.push([]);
    else if (close !== undefined) {
      const words = stack.pop()!;
      const outer = stack.at(-1);
      if (outer === undefined) throw refuse(action);
      outer.push({ kind: "group", words, path: path(tail) });
    }
  }
  if (stack.length !== 1) throw refuse(action);
  return stack[0]!;
}

function constant(name: string): Word | undefined {
  if (name === "true" || name === "false") return { kind: "value", value: name === "true" };
  return name === "nil" ? { kind: "value", value: undefined } : undefined;
}

function unquote(text: string): string {
  try {
    return JSON.parse(text.replace(/\\'/g, "'")) as string;
  } catch {
    throw new Error(`template: bad string ${text}`);
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(all: readonly Token[]) {
    this.#tokens = all;
  }

  /** Nodes up to one of the words in `ends`, which is left; to the template's end where there are none. */
  list(ends: readonly string[]): Node[] {
    const nodes: Node[] = [];
    for (; this.#at < this.#tokens.length; this.#at++) {
      const token = this.#tokens[this.#at]!;
      if ("text" in token) {
        if (token.text !== "") nodes.push({ kind: "text", text: token.text });
        continue;
      }
      const { action } = token;
      if (action.startsWith("/*")) continue;
      const keyword = /^(if|with|range|else|end|define|template|block|break|continue)\b/.exec(action)?.[1];
      if (keyword === undefined) nodes.push({ kind: "pipe", source: action, words: wordsOf(action) });
      else if (keyword === "if" || keyword === "with" || keyword === "range") nodes.push(this.#block(keyword, action));
      else if (ends.includes(keyword)) return nodes;
      else throw refuse(action);
    }
    if (ends.length > 0) throw new Error("template: unexpected EOF");
    return nodes;
  }

  #block(kind: "if" | "with" | "range", action: string): Node {
    const words = wordsOf(action.slice(kind.length));
    this.#at++;
    const body = this.list(["else", "end"]);
    const stop = (this.#tokens[this.#at] as { action: string }).action;
    let otherwise: readonly Node[] = [];
    if (stop.startsWith("else")) {
      const chained = /^else\s+(if|with)\b/.exec(stop)?.[1] as "if" | "with" | undefined;
      if (chained !== undefined) otherwise = [this.#block(chained, stop.slice("else".length).trim())];
      else {
        this.#at++;
        otherwise = this.list(["end"]);
      }
    }
    return { kind, source: action, words, body, otherwise };
  }
}

type Scope = Map<string, unknown>;

class Runner {
  readonly #functions: GoFunctions;

  constructor(functions: GoFunctions) {
    this.#functions = functions;
  }

  run(nodes: readonly Node[], dot: unknown, scope: Scope): string {
    return nodes.map((node) => this.#one(node, dot, scope)).join("");
  }

  #one(node: Node, dot: unknown, scope: Scope): string {
    switch (node.kind) {
      case "text":
        return node.text;
      case "pipe": {
        const { value, assigned } = this.#assign(node.words, dot, scope, node.source);
        return assigned ? "" : goText(value);
      }
      case "if":
      case "with": {
        const inner = new Map(scope);
        const { value } = this.#assign(node.words, dot, inner, node.source);
        if (isEmpty(value)) return this.run(node.otherwise, dot, new Map(scope));
        return this.run(node.body, node.kind === "with" ? value : dot, inner);
      }
      case "range":
        return this.#range(node, dot, scope);
    }
  }

  #range(node: Block, dot: unknown, scope: Scope): string {
    const { names, words } = splitAssignment(node.words);
    const entries = entriesOf(this.#pipe(words, dot, scope, node.source), node.source);
    if (entries.length === 0) return this.run(node.otherwise, dot, new Map(scope));
    return entries
      .map(([key, item]) => {
        const inner = new Map(scope);
        if (names.length === 2) inner.set(names[0]!, key);
        if (names.length > 0) inner.set(names.at(-1)!, item);
        return this.run(node.body, item, inner);
      })
      .join("");
  }

  #assign(words: readonly Word[], dot: unknown, scope: Scope, source: string): { value: unknown; assigned: boolean } {
    const { names, words: rest } = splitAssignment(words);
    const value = this.#pipe(rest, dot, scope, source);
    if (names[0] !== undefined) scope.set(names[0], value);
    return { value, assigned: names.length > 0 };
  }

  #pipe(words: readonly Word[], dot: unknown, scope: Scope, source: string): unknown {
    let last: readonly unknown[] = [];
    for (const command of split(words)) last = [this.#command(command, last, { dot, scope, source })];
    return last[0];
  }

  #command(
    words: readonly Word[],
    piped: readonly unknown[],
    place: { readonly dot: unknown; readonly scope: Scope; readonly source: string },
  ): unknown {
    const [first, ...rest] = words;
    if (first === undefined) throw refuse(place.source);
    const args = rest.map((word) => this.#value(word, place));
    if (first.kind !== "name") {
      if (args.length > 0 || piped.length > 0) throw refuse(place.source);
      return this.#value(first, place);
    }
    const called = this.#functions[first.name];
    if (called === undefined) throw new Error(`template: function "${first.name}" not defined`);
    return called(...args, ...piped);
  }

  #value(word: Word, place: { readonly dot: unknown; readonly scope: Scope; readonly source: string }): unknown {
    const { dot, scope, source } = place;
    switch (word.kind) {
      case "value":
        return word.value;
      case "field":
        return walk(dot, word.path, source);
      case "variable":
        if (!scope.has(word.name)) throw new Error(`template: undefined variable "${word.name}"`);
        return walk(scope.get(word.name), word.path, source);
      case "group":
        return walk(this.#pipe(word.words, dot, scope, source), word.path, source);
      case "name":
        return this.#command([word], [], place);
      case "mark":
        throw refuse(source);
    }
  }
}

function split(words: readonly Word[]): Word[][] {
  const commands: Word[][] = [[]];
  for (const word of words) {
    if (word.kind === "mark" && word.mark === "|") commands.push([]);
    else commands.at(-1)!.push(word);
  }
  return commands;
}

function splitAssignment(words: readonly Word[]): { names: readonly string[]; words: readonly Word[] } {
  const at = words.findIndex((word) => word.kind === "mark" && (word.mark === ":=" || word.mark === "="));
  if (at < 0) return { names: [], words };
  const names = words.slice(0, at).flatMap((word) => (word.kind === "variable" ? [word.name] : []));
  return { names, words: words.slice(at + 1) };
}

function walk(from: unknown, path: readonly string[], source: string): unknown {
  let value = from;
  for (const name of path) {
    if (value instanceof GoStruct) {
      const field = value.fields.get(name);
      if (field === undefined) throw new Error(`template: can't evaluate field ${name} in {{${source}}}`);
      value = field[2];
    } else if (value instanceof Map) value = (value as Map<string, unknown>).get(name);
    else if (typeof value === "object" && value !== null && !Array.isArray(value))
      value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    else if (value === undefined || value === null)
      throw new Error(`template: nil pointer evaluating .${name} in {{${source}}}`);
    else throw new Error(`template: can't evaluate field ${name} in {{${source}}}`);
  }
  return value;
}

function entriesOf(value: unknown, source: string): [unknown, unknown][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((item, at) => [at, item as unknown]);
  if (typeof value === "object" && !(value instanceof GoStruct)) {
    const entries = value instanceof Map ? [...(value as Map<string, unknown>)] : Object.entries(value);
    return entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
  throw new Error(`template: range can't iterate over {{${source}}}`);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === "" || value === 0n)
    return true;
  if (Array.isArray(value)) return value.length === 0;
  if (value instanceof GoStruct) return false;
  if (value instanceof Map) return value.size === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** As Go prints values: `[a b]`, `map[k:v]`, `{a b}`, `<no value>`. */
function goText(value: unknown): string {
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(goText).join(" ")}]`;
  if (value instanceof GoStruct)
    return `{${Array.from(value.fields.values(), ([, , item]) => goText(item ?? "")).join(" ")}}`;
  if (typeof value === "object") {
    const entries = value instanceof Map ? [...(value as Map<string, unknown>)] : Object.entries(value);
    const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `map[${sorted.map(([key, item]) => `${key}:${goText(item)}`).join(" ")}]`;
  }
  return String(value as string | number | boolean | bigint);
}

const compare = (a: unknown, b: unknown): number =>
  typeof a === "number" && typeof b === "number" ? a - b : goText(a) < goText(b) ? -1 : goText(a) === goText(b) ? 0 : 1;

const builtIns: GoFunctions = {
  json: (value) => goJson(plain(value)),
  len: (value) => {
    if (typeof value === "string") return Buffer.byteLength(value);
    return Array.isArray(value) ? value.length : entriesOf(value, "len").length;
  },
  index: (value, ...keys) =>
    keys.reduce((found: unknown, key) => {
      if (Array.isArray(found)) {
        if (typeof key !== "number" || key < 0 || key >= found.length)
          throw new Error(`template: error calling index: index out of range: ${goText(key)}`);
        return found[key] as unknown;
      }
      return found === undefined || found === null ? undefined : walk(found, [String(key as string)], "index");
    }, value),
  print: (...values) => values.map(goText).join(""),
  println: (...values) => `${values.map(goText).join(" ")}\n`,
  printf: (format, ...values) => {
    const left = [...values];
    return String(format as string).replace(/%([svdq%])/g, (_, verb: string) =>
      verb === "%" ? "%" : verb === "q" ? goQuote(goText(left.shift())) : goText(left.shift()),
    );
  },
  eq: (first, ...others) => others.some((other) => compare(first, other) === 0),
  ne: (a, b) => compare(a, b) !== 0,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  not: (value) => isEmpty(value),
  and: (...values) => values[values.findIndex(isEmpty)] ?? (values.some(isEmpty) ? undefined : values.at(-1)),
  or: (...values) => values.find((value) => !isEmpty(value)) ?? values.at(-1),
  join: (list, separator) => (list as unknown[]).map(goText).join(String(separator as string)),
  lower: (text) => goText(text).toLowerCase(),
  upper: (text) => goText(text).toUpperCase(),
};

function refuse(action: string): Error {
  return new Error(`template: {{${action}}} is not understood`);
}
