// Parses HCL's native syntax: files of attributes and blocks. Counterpart: hashicorp/hcl hclsyntax/parser.go ParseBody, structure.go.

import type { Block, Body, BodyContent, BodySchema, ParsedFile } from "./body.ts";
import { checkTokens } from "./check-tokens.ts";
import { ExpressionParser } from "./expression-parser.ts";
import type { Attribute, Expression } from "./expressions.ts";
import { scan } from "./scanner.ts";
import type { Token } from "./scanner.ts";
import { between, decodeSource } from "./source.ts";
import type { Diagnostic, Position, Range } from "./source.ts";
import { tokenType } from "./token-reader.ts";

/** Reads a whole file; what could be read is in the body also where there are complaints. */
export function parseNative(bytes: Uint8Array, filename: string): ParsedFile {
  const tokens = scan(decodeSource(bytes), { filename });
  const parser = new BodyParser(tokens);
  const body = parser.parseBody("end");
  return { body, diagnostics: [...checkTokens(tokens), ...parser.diagnostics] };
}

/** Reads text that is one expression, as types in JSON files are. */
export function parseExpressionText(text: string, filename: string, start: Position): ParsedExpression {
  const tokens = scan(text, { filename, start });
  const parser = new BodyParser(tokens);
  const expression = parser.withNewlines(false, () => {
    const parsed = parser.parseExpression();
    const next = parser.peek();
    if (next.kind !== "end")
      parser.complainOnce("Extra characters after expression", "The expression ends before this.", next.range);
    return parsed;
  });
  return { expression, diagnostics: [...checkTokens(tokens), ...parser.diagnostics] };
}

/** Reads text that is a template without quotes, as strings of JSON files are. */
export function parseTemplateText(text: string, filename: string, start: Position): ParsedExpression {
  const tokens = scan(text, { filename, start, template: true });
  const parser = new BodyParser(tokens);
  const { parts, isValue, range } = parser.parseTemplate("end", false);
  const expression: Expression = isValue
    ? { kind: "template-wrap", wrapped: parts[0]!, range }
    : { kind: "template", parts, range };
  return { expression, diagnostics: [...checkTokens(tokens), ...parser.diagnostics] };
}

export interface ParsedExpression {
  readonly expression: Expression;
  readonly diagnostics: readonly Diagnostic[];
}

interface NativeBlock extends Block {
  readonly openRange: Range;
}

class BodyParser extends ExpressionParser {
  /** Reads items up to the token of type `end`, and past it. */
  parseBody(end: "end" | "}"): NativeBody {
    const attributes = new Map<string, Attribute>();
    const blocks: NativeBlock[] = [];
    const startRange = this.previousRange();
    let endRange: Range;
    for (;;) {
      const next = this.peek();
      if (tokenType(next) === end) {
        endRange = this.read().range;
        break;
      }
      if (next.kind === "newline") {
        this.read();
        continue;
      }
      if (next.kind !== "identifier") {
        this.#refuse(this.read(), end, startRange);
        endRange = this.previousRange();
        this.recover(end);
        break;
      }
      const item = this.#item();
      if (item === undefined) continue;
      if ("body" in item) blocks.push(item);
      else if (attributes.has(item.name)) {
        const detail = `The argument ${JSON.stringify(item.name)} is set already; it may be set only once.`;
        this.complain("Attribute redefined", detail, item.nameRange);
      } else attributes.set(item.name, item);
    }
    return new NativeBody(attributes, blocks, between(startRange, endRange));
  }

  #refuse(bad: Token, end: string, startRange: Range): void {
    if (bad.kind === "open-quote") {
      this.complainOnce("Invalid argument name", "Names of arguments are written without quotes.", bad.range);
    } else if (bad.kind === "end" && end === "}") {
      this.complainOnce(
        "Unclosed configuration block",
        "The file ends before the brace that closes this block.",
        startRange,
      );
    } else {
      this.complainOnce("Argument or block definition required", "An argument or block is expected here.", bad.range);
    }
  }

  #item(): Attribute | NativeBlock | undefined {
    const name = this.read();
    const next = this.peek();
    const type = tokenType(next);
    if (type === "=") return this.#attribute(name, false);
    if (type === "open-quote" || type === "{" || type === "identifier") return this.#block(name);
    this.recoverAfterBodyItem();
    this.complain(
      "Argument or block definition required",
      'An argument or block is expected here. An argument\'s name is followed by an equals sign ("=").',
      name.range,
    );
    return undefined;
  }

  #attribute(name: Token, singleLine: boolean): Attribute {
    this.read();
    const before = this.diagnostics.length;
    const expression = this.parseExpression();
    const end = this.previousRange();
    const attribute = {
      name: name.text,
      expression,
      range: between(name.range, end),
      nameRange: name.range,
    };
    if (this.recovering && this.diagnostics.length > before) this.recoverAfterBodyItem();
    else if (!singleLine) {
      const next = this.peek();
      if (next.kind === "newline" || next.kind === "end") this.read();
      else {
        if (tokenType(next) === ",") {
          this.complainOnce(
            "Unexpected comma after argument",
            "Arguments end with a newline, not with a comma.",
            next.range,
          );
        } else this.complainOnce("Missing newline after argument", "An argument ends with a newline.", next.range);
        this.recoverAfterBodyItem();
      }
    }
    return attribute;
  }

  #block(type: Token): NativeBlock {
    const labels: string[] = [];
    const labelRanges: Range[] = [];
    const made = (body: NativeBody, openRange: Range): NativeBlock => ({
      type: type.text,
      labels,
      body,
      labelRanges,
      openRange,
      typeRange: type.range,
      range: between(type.range, labelRanges.at(-1) ?? type.range),
    });
    for (;;) {
      const next = this.peek();
      const kind = tokenType(next);
      if (kind === "{") break;
      if (kind === "open-quote") {
        const label = this.#quotedLabel();
        labels.push(label.text);
        labelRanges.push(label.range);
      } else if (kind === "identifier") {
        labels.push(this.read().text);
        labelRanges.push(next.range);
      } else {
        const summary = "Invalid block definition";
        if (kind === "=") this.complain(summary, "An equals sign makes an argument, not a block.", next.range);
        else if (kind === "newline") {
          this.complain(summary, 'The opening brace ("{") must stand on the line of the block\'s header.', next.range);
        } else this.complainOnce(summary, 'A quoted label or an opening brace ("{") is expected here.', next.range);
        this.recoverAfterBodyItem();
        return made(new NativeBody(new Map(), [], type.range), type.range);
      }
    }
    const open = this.read();
    const body = this.#blockBody(type, open);
    const end = this.peek();
    if (end.kind === "newline" || end.kind === "end") this.read();
    else {
      this.complainOnce("Missing newline after block definition", "A block ends with a newline.", end.range);
      this.recoverAfterBodyItem();
    }
    return made(body, open.range);
  }

  #blockBody(type: Token, open: Token): NativeBody {
    const first = this.peekType();
    if (first === "newline" || first === "end" || first === "}") return this.parseBody("}");
    const before = this.diagnostics.length;
    const body = this.#singleLineBody(open);
    const next = this.peek();
    const kind = tokenType(next);
    if (kind === "}") {
      this.read();
      return body;
    }
    const inner = this.diagnostics.splice(before);
    const summary = "Invalid single-argument block definition";
    if (kind === ",") this.complain(summary, "A block on one line holds one argument only.", next.range);
    else if (kind === "newline") {
      this.complain(summary, "A block whose argument stands on its own line must close on that line.", next.range);
    } else if (kind === "end") {
      this.complainOnce(
        "Unclosed configuration block",
        "The file ends before the brace that closes this block.",
        open.range,
      );
    } else this.complainOnce(summary, "A closing brace is expected behind the block's only argument.", next.range);
    this.recover("}");
    this.diagnostics.push(...inner);
    return new NativeBody(new Map(), [], between(type.range, this.previousRange()));
  }

  #singleLineBody(open: Token): NativeBody {
    const empty = new NativeBody(new Map(), [], open.range);
    const name = this.read();
    const next = this.peek();
    const type = tokenType(next);
    if (name.kind === "identifier" && type === "=") {
      const attribute = this.#attribute(name, true);
      return new NativeBody(new Map([[attribute.name, attribute]]), [], attribute.range);
    }
    this.recoverAfterBodyItem();
    if (name.kind === "identifier" && (type === "open-quote" || type === "{" || type === "identifier")) {
      const detail = "A block on one line holds one argument; nested blocks stand on lines of their own.";
      this.complain("Argument definition required", detail, between(name.range, next.range));
    } else this.complain("Argument or block definition required", "An argument or block is expected here.", name.range);
    return empty;
  }

  #quotedLabel(): { text: string; range: Range } {
    const open = this.read();
    let text = "";
    for (;;) {
      const token = this.read();
      const range = between(open.range, token.range);
      switch (token.kind) {
        case "close-quote":
          return { text, range };
        case "quoted-literal":
          text += this.literal(token);
          break;
        case "interpolation":
        case "directive": {
          const mark = token.kind === "directive" ? "%" : "$";
          const detail = `A label can't hold template sequences. Write ${mark}${mark} for a literal ${JSON.stringify(mark)}.`;
          this.complain("Invalid string literal", detail, token.range);
          text += `${mark}{ ... }`;
          this.recover("sequence-end");
          break;
        }
        case "end":
          this.complain("Unterminated string literal", "The file ends before the closing quote.", token.range);
          return { text, range };
        default:
          this.complain("Invalid string literal", "This can't stand in a string.", token.range);
          this.recover("close-quote");
          return { text, range };
      }
    }
  }
}

class NativeBody implements Body {
  readonly #attributes: ReadonlyMap<string, Attribute>;
  readonly #blocks: readonly NativeBlock[];
  readonly #range: Range;

  constructor(attributes: ReadonlyMap<string, Attribute>, blocks: readonly NativeBlock[], range: Range) {
    this.#attributes = attributes;
    this.#blocks = blocks;
    this.#range = range;
  }

  partialContent(schema: BodySchema, diagnostics: Diagnostic[]): BodyContent {
    const attributes = new Map<string, Attribute>();
    for (const { name, required } of schema.attributes) {
      const attribute = this.#attributes.get(name);
      if (attribute !== undefined) attributes.set(name, attribute);
      else if (required === true) {
        const detail = `The argument ${JSON.stringify(name)} is required.`;
        diagnostics.push({ summary: "Missing required argument", detail, subject: this.missingItemRange() });
      }
    }
    const blocks = this.#blocks.filter((block) => {
      const wanted = schema.blocks.find(({ type }) => type === block.type);
      return wanted !== undefined && labelsFit(block, wanted.labels, diagnostics);
    });
    return { attributes, blocks };
  }

  content(schema: BodySchema, diagnostics: Diagnostic[]): BodyContent {
    const content = this.partialContent(schema, diagnostics);
    for (const { name, nameRange } of this.#attributes.values()) {
      if (schema.attributes.some((known) => known.name === name)) continue;
      const detail = `An argument named ${JSON.stringify(name)} is not expected here.`;
      diagnostics.push({ summary: "Unsupported argument", detail, subject: nameRange });
    }
    for (const { type, typeRange } of this.#blocks) {
      if (schema.blocks.some((known) => known.type === type)) continue;
      const detail = `Blocks of type ${JSON.stringify(type)} are not expected here.`;
      diagnostics.push({ summary: "Unsupported block type", detail, subject: typeRange });
    }
    return content;
  }

  justAttributes(hidden: ReadonlySet<string>, diagnostics: Diagnostic[]): ReadonlyMap<string, Attribute> {
    const [block] = this.#blocks;
    if (block !== undefined) {
      const summary = `Unexpected ${JSON.stringify(block.type)} block`;
      diagnostics.push({ summary, detail: "Blocks are not allowed here.", subject: block.typeRange });
    }
    return new Map([...this.#attributes].filter(([name]) => !hidden.has(name)));
  }

  missingItemRange(): Range {
    return { ...this.#range, end: this.#range.start };
  }
}

function labelsFit(block: NativeBlock, wanted: readonly string[], diagnostics: Diagnostic[]): boolean {
  const { type, labels, labelRanges, openRange } = block;
  if (labels.length > wanted.length) {
    const detail =
      wanted.length === 0
        ? `A ${type} block has no labels.`
        : `A ${type} block has ${wanted.length} label(s): ${wanted.join(", ")}.`;
    diagnostics.push({ summary: `Extraneous label for ${type}`, detail, subject: labelRanges[wanted.length] });
  } else if (labels.length < wanted.length) {
    const detail = `A ${type} block must have ${wanted.length} label(s): ${wanted.join(", ")}.`;
    diagnostics.push({ summary: `Missing ${wanted[labels.length]} for ${type}`, detail, subject: openRange });
  }
  return labels.length === wanted.length;
}
