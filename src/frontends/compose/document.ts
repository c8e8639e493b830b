// Reads the documents of a YAML file into plain values. Notes what `!reset` and `!override` mark. Files are hostile: what aliases
// expand to is bounded, as is depth. Counterpart: compose-go loader/reset.go, go.yaml.in/yaml v4.

import { LineCounter, isAlias, isMap as isMapping, isScalar, isSeq, parseAllDocuments, visit } from "yaml";
import type { Alias, Document, Node, Scalar, YAMLMap } from "yaml";
import { composeError } from "./error.ts";
import { resolveScalar } from "./scalar.ts";
import type { Path } from "./pattern.ts";
import { parseProblem } from "./yaml-problem.ts";
import { goText, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

/** One document of a file. */
export interface ComposeDocument {
  readonly value: ComposeValue;
  /** Places whose value in earlier documents and files is to be dropped. */
  readonly resets: readonly Path[];
}

// The parser takes seconds for a megabyte; more has too many nodes anyway.
const maxBytes = 1 << 20;
const maxVisits = 100_000;
const maxDepth = 1000;
const tooDeep = "exceeded max depth";

/** @throws COMPOSE_INVALID for what is no YAML or expands beyond all measure. `name` is that of the file, for the message. */
export function readDocuments(data: Uint8Array, name: string): ComposeDocument[] {
  const fail = (problem: string) => composeError(`failed to parse ${name}: yaml: ${problem}`);
  if (data.length > maxBytes) throw fail(`file is larger than ${maxBytes >> 20} MiB`);
  const text = decode(data, fail);
  const lines = new LineCounter();
  let documents: ReturnType<typeof parseAllDocuments>;
  try {
    documents = parseAllDocuments(text, {
      schema: "failsafe",
      uniqueKeys: false,
      merge: false,
      logLevel: "silent",
      prettyErrors: false,
      lineCounter: lines,
      version: "1.2",
    });
  } catch (error) {
    if (error instanceof RangeError) throw fail(tooDeep);
    throw error;
  }
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document) => {
    const problem = document.errors[0];
    if (problem !== undefined) {
      throw fail(problem.message.includes("call stack") ? tooDeep : parseProblem(problem, lines));
    }
    if (document.contents === null) return [];
    if (isEmptyScalar(document.contents) && documents.length === 1) return [];
    try {
      return [new Reader(document, lines, fail).read(document.contents)];
    } catch (error) {
      if (error instanceof RangeError) throw fail(tooDeep);
      throw error;
    }
  });
}

function isEmptyScalar(node: Node): boolean {
  return isScalar(node) && (node.source ?? "") === "" && node.type === "PLAIN" && node.tag === undefined;
}

function decode(data: Uint8Array, fail: (problem: string) => Error): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    throw fail(invalidUtf8(data));
  }
}

/** Says where a text stops being UTF-8. */
function invalidUtf8(data: Uint8Array): string {
  for (let at = 0; at < data.length;) {
    const lead = data[at]!;
    let width = 0;
    if (lead < 0x80) width = 1;
    else if (lead >= 0xc2 && lead < 0xe0) width = 2;
    else if (lead >= 0xe0 && lead < 0xf0) width = 3;
    else if (lead >= 0xf0 && lead < 0xf5) width = 4;
    if (width === 0) return `offset ${at}: invalid leading UTF-8 octet`;
    if (at + width > data.length) return `offset ${at}: incomplete UTF-8 octet sequence`;
    for (let next = 1; next < width; next++) {
      if ((data[at + next]! & 0xc0) !== 0x80) return `offset ${at + next}: invalid trailing UTF-8 octet`;
    }
    at += width;
  }
  return "invalid Unicode character";
}

class Reader {
  readonly #lines: LineCounter;
  readonly #fail: (problem: string) => Error;
  readonly #resets: Path[] = [];
  readonly #targets = new Map<Alias, Node>();
  readonly #open = new Set<Node>();
  readonly #checked = new Set<Node>();
  #visits = 0;
  #aliasDepth = 0;
  #fromAliases = 0;
  #rootLine = 1;

  constructor(document: Document, lines: LineCounter, fail: (problem: string) => Error) {
    this.#lines = lines;
    this.#fail = fail;
    this.#findTargets(document);
  }

  read(root: Node): ComposeDocument {
    this.#rootLine = this.#line(root);
    const value = this.#value(root, [], 0);
    return { value: value === undefined ? null : value, resets: this.#resets };
  }

  /** An alias stands for the last node before it that has its name. */
  #findTargets(document: Document): void {
    const anchors = new Map<string, Node>();
    visit(document, {
      Alias: (_, alias) => {
        const target = anchors.get(alias.source);
        if (target === undefined) {
          const { line, col } = this.#lines.linePos(alias.range?.[0] ?? 0);
          throw this.#fail(`line ${line}, column ${col + 1}: unknown anchor '${alias.source}' referenced`);
        }
        this.#targets.set(alias, target);
      },
      Value: (_, node) => {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
      },
    });
  }

  #line(node: Node): number {
    return this.#lines.linePos(node.range?.[0] ?? 0).line;
  }

  #problem(text: string): Error {
    return this.#fail(`construct errors:\n  line ${this.#rootLine}: ${text}`);
  }

  /** Undefined for what `!reset` takes away. */
  #value(node: Node | null, path: Path, depth: number): ComposeValue | undefined {
    if (node === null) return null;
    if (++this.#visits > maxVisits && this.#aliasDepth === 0) {
      throw this.#problem(`compose file exceeds maximum node visit limit (${maxVisits})`);
    }
    if (this.#aliasDepth > 0) this.#countAlias();
    if (depth > maxDepth) throw this.#fail(tooDeep);
    if (isAlias(node)) return this.#alias(node, path, depth);
    if (node.tag === "!reset") {
      this.#resets.push(path);
      return undefined;
    }
    if (node.tag === "!override") this.#resets.push(path);
    if (isScalar(node)) return this.#scalar(node);
    if (isSeq(node)) {
      this.#open.add(node);
      const values = node.items.map((each, at) => this.#value(each as Node | null, [...path, String(at)], depth + 1));
      this.#open.delete(node);
      return values.filter((each) => each !== undefined);
    }
    return isMapping(node) ? this.#mapping(node, path, depth) : null;
  }

  /** Aliases may make a file a little larger than it is written, not endlessly. */
  #countAlias(): void {
    this.#fromAliases++;
    if (this.#fromAliases <= 100 || this.#visits <= 1000) return;
    const [low, high] = [400_000, 4_000_000];
    let allowed = 0.99 - 0.89 * ((this.#visits - low) / (high - low));
    if (this.#visits <= low) allowed = 0.99;
    else if (this.#visits >= high) allowed = 0.1;
    if (this.#fromAliases / this.#visits > allowed) throw this.#fail("document contains excessive aliasing");
  }

  #alias(node: Alias, path: Path, depth: number): ComposeValue | undefined {
    const target = this.#targets.get(node)!;
    if (this.#open.has(target)) throw this.#problem(`anchor '${node.source}' value contains itself`);
    this.#aliasDepth++;
    const value = this.#value(target, path, depth + 1);
    this.#aliasDepth--;
    return value;
  }

  #scalar(node: Scalar): ComposeValue {
    const text = typeof node.value === "string" ? node.value : (node.source ?? "");
    const tag = node.tag?.replace("tag:yaml.org,2002:", "!!");
    if (tag === "!!str") return text;
    if (tag === "!!binary") return Buffer.from(text, "base64").toString();
    if (tag === "!!null") return null;
    if (tag === "!!float") {
      const value = resolveScalar(text);
      return typeof value === "bigint" ? Number(value) : value;
    }
    if (tag === "!!int" || tag === "!!bool") return resolveScalar(text);
    return node.type === "PLAIN" ? resolveScalar(text) : text;
  }

  #mapping(node: YAMLMap, path: Path, depth: number): ComposeMap {
    this.#open.add(node);
    this.#checkKeys(node);
    const map: ComposeMap = new Map();
    const merged: ComposeMap[] = [];
    for (const { key, value } of node.items) {
      const name = this.#key(key as Node | null, path);
      const isMerge = name === "<<" && isScalar(key) && key.type === "PLAIN";
      const read = this.#value(value as Node | null, isMerge ? path : [...path, name], depth + 1);
      if (read === undefined) continue;
      if (isMerge) merged.push(...this.#merged(read));
      else map.set(name, read);
    }
    this.#open.delete(node);
    for (const each of merged) for (const [key, value] of each) if (!map.has(key)) map.set(key, value);
    return map;
  }

  #key(key: Node | null, path: Path): string {
    const value = this.#value(key, path, 0);
    if (typeof value === "string") return value;
    const place = path.length === 0 ? "at top level" : `in ${path.join(".")}`;
    const shown = goText(value ?? null);
    throw composeError(`non-string key ${place}: ${shown}`);
  }

  #checkKeys(node: YAMLMap): void {
    if (this.#checked.has(node)) return;
    this.#checked.add(node);
    const lines = new Map<string, number>();
    for (const { key } of node.items) {
      if (!isScalar(key)) continue;
      const name = String(key.value);
      const line = this.#line(key);
      const earlier = lines.get(name);
      if (earlier !== undefined) {
        throw this.#problem(`line ${line}: mapping key ${JSON.stringify(name)} already defined at line ${earlier}`);
      }
      lines.set(name, line);
    }
  }

  #merged(value: ComposeValue): ComposeMap[] {
    const maps = Array.isArray(value) ? value : [value];
    if (maps.every(isMap)) return maps;
    throw this.#fail("map merge requires map or sequence of maps as the value");
  }
}
