// Parses templates: text with `${ }` interpolations and `%{ }` directives, between quotes, in heredocs, or bare.
// Counterpart: hashicorp/hcl hclsyntax/parser_template.go.

import { stringValue } from "../values/value.ts";
import type { Expression } from "./expressions.ts";
import type { Token } from "./scanner.ts";
import { after, between, firstGraphemes } from "./source.ts";
import type { Range } from "./source.ts";
import { literalText } from "./string-literal.ts";
import { TokenReader, isKeyword, tokenType } from "./token-reader.ts";

/** Pieces of a template, before directives are paired. */
type Part =
  | { kind: "literal"; text: string; range: Range }
  | { kind: "value"; expression: Expression; range: Range }
  | { kind: "if"; condition: Expression; range: Range }
  | { kind: "for"; keyName: string; valueName: string; collection: Expression; range: Range }
  | { kind: "else" | "endif" | "endfor"; range: Range }
  | { kind: "end"; range: Range };

export interface ParsedTemplate {
  readonly parts: readonly Expression[];
  /** Whether the template is one interpolation and nothing else. */
  readonly isValue: boolean;
  readonly range: Range;
}

export abstract class TemplateParser extends TokenReader {
  /** Text of a literal token; complains of what is wrong in it. */
  literal(token: Token): string {
    return literalText(token, this.diagnostics);
  }

  /** Reads up to the token of type `end`, and past it. `flush` removes the indentation that all lines share. */
  parseTemplate(end: string, flush: boolean): ParsedTemplate {
    const { parts, range } = this.#readParts(end);
    if (flush) removeIndentation(parts);
    const melded = joinLiterals(parts);
    const pairing = new DirectivePairing(melded, (summary, detail, subject) => this.complain(summary, detail, subject));
    const expressions = pairing.all();
    return { parts: expressions, isValue: melded.length === 2 && melded[0]!.kind === "value", range };
  }

  #readParts(end: string): { parts: Part[]; range: Range } {
    const parts: Part[] = [];
    const startRange = this.peek().range;
    let trimNext = false;
    let canTrim = false;
    let endRange: Range;
    for (;;) {
      const next = this.read();
      if (tokenType(next) === end) {
        endRange = next.range;
        break;
      }
      const trimsLeft = trimNext;
      const trimsBefore = canTrim && next.text.length === 3 && next.text.endsWith("~");
      trimNext = canTrim = false;
      if (next.kind === "string-literal" || next.kind === "quoted-literal") {
        const text = this.literal(next);
        parts.push({ kind: "literal", text: trimsLeft ? trimLeft(text) : text, range: next.range });
        canTrim = true;
      } else if (next.kind === "interpolation" || next.kind === "directive") {
        const last = parts.at(-1);
        if (trimsBefore && last?.kind === "literal") last.text = trimRight(last.text);
        trimNext = this.withNewlines(false, () =>
          next.kind === "interpolation"
            ? this.#interpolation(next, parts, startRange, end)
            : this.#directive(next, parts),
        );
      } else {
        this.complainOnce("Unterminated template string", "The string has no closing marker.", next.range);
        endRange = this.recover(end).range;
        break;
      }
    }
    if (parts.length === 0) parts.push({ kind: "literal", text: "", range: after(startRange) });
    parts.push({ kind: "end", range: endRange });
    return { parts, range: between(startRange, endRange) };
  }

  /** Tells whether the text behind is to lose its leading blanks. */
  #interpolation(open: Token, parts: Part[], startRange: Range, end: string): boolean {
    const expression = this.parseExpression();
    const close = this.peek();
    parts.push({ kind: "value", expression, range: between(open.range, close.range) });
    if (close.kind === "sequence-end") return this.read().text.startsWith("~");
    const type = tokenType(close);
    if (type === "end") {
      this.complainOnce(
        "Unclosed template interpolation sequence",
        "The file ends before the brace that closes this interpolation.",
        startRange,
      );
    } else if ((type === "close-quote" || type === "open-quote") && end === "close-quote") {
      this.complainOnce(
        "Unclosed template interpolation sequence",
        "The string ends before the brace that closes this interpolation.",
        startRange,
      );
    } else {
      this.complainOnce(
        "Extra characters after interpolation expression",
        'A closing brace is expected here. To write "${" for another language, escape it as "$${".',
        close.range,
      );
    }
    this.recover("sequence-end");
    return false;
  }

  #directive(open: Token, parts: Part[]): boolean {
    const keyword = this.peek();
    const give = (summary: string, detail: string, subject: Range) => {
      this.complainOnce(summary, detail, subject);
      this.recover("sequence-end");
      return false;
    };
    if (keyword.kind !== "identifier") {
      return give("Invalid template directive", 'A keyword ("if", "for", …) is expected behind "%{".', keyword.range);
    }
    this.read();
    const range = () => between(open.range, this.peek().range);
    if (isKeyword(keyword, "if")) {
      const condition = this.parseExpression();
      parts.push({ kind: "if", condition, range: range() });
    } else if (["else", "endif", "endfor"].includes(keyword.text)) {
      parts.push({ kind: keyword.text as "else" | "endif" | "endfor", range: range() });
    } else if (isKeyword(keyword, "for")) {
      if (this.peek().kind !== "identifier") {
        return give("Invalid 'for' directive", "A variable's name is expected behind 'for'.", this.peek().range);
      }
      let keyName = "";
      let valueName = this.read().text;
      if (this.peekType() === ",") {
        this.read();
        if (this.peek().kind !== "identifier") {
          return give("Invalid 'for' directive", "The value's name is expected behind the comma.", this.peek().range);
        }
        keyName = valueName;
        valueName = this.read().text;
      }
      if (!isKeyword(this.peek(), "in")) {
        return give("Invalid 'for' directive", "The keyword 'in' is expected behind the names.", this.peek().range);
      }
      this.read();
      const collection = this.parseExpression();
      parts.push({ kind: "for", keyName, valueName, collection, range: range() });
    } else {
      const detail = `${JSON.stringify(keyword.text)} is not a valid template control keyword (if, for, else, endif, endfor).`;
      return give("Invalid template control keyword", detail, keyword.range);
    }
    const close = this.peek();
    if (close.kind === "sequence-end") return this.read().text.startsWith("~");
    return give(`Extra characters in ${keyword.text} marker`, "A closing brace is expected here.", close.range);
  }
}

/** Pairs `if` with `endif`, `for` with `endfor`, and makes expressions of them. */
class DirectivePairing {
  readonly #parts: readonly Part[];
  readonly #complain: (summary: string, detail: string, subject: Range) => void;
  #at = 0;

  constructor(parts: readonly Part[], complain: (summary: string, detail: string, subject: Range) => void) {
    this.#parts = parts;
    this.#complain = complain;
  }

  all(): Expression[] {
    const expressions: Expression[] = [];
    while (this.#parts[this.#at]!.kind !== "end") expressions.push(this.#one());
    return expressions;
  }

  #one(): Expression {
    const part = this.#parts[this.#at]!;
    if (part.kind !== "end") this.#at++;
    switch (part.kind) {
      case "literal":
        return { kind: "literal", value: stringValue(part.text), range: part.range };
      case "value":
        return part.expression;
      case "if":
        return this.#if(part);
      case "for":
        return this.#for(part);
      case "end":
        return this.#bad("Unexpected end of template", "The directives of this template are unbalanced.", part.range);
      default:
        return this.#bad(
          `Unexpected ${part.kind} directive`,
          "The directives of this template are unbalanced.",
          part.range,
        );
    }
  }

  #if(open: Extract<Part, { kind: "if" }>): Expression {
    const branches: Expression[][] = [[], []];
    let branch = 0;
    for (;;) {
      const part = this.#parts[this.#at]!;
      if (part.kind === "end") {
        return this.#bad("Unexpected end of template", "An if directive has no endif.", part.range);
      }
      if (part.kind !== "else" && part.kind !== "endif" && part.kind !== "endfor") {
        branches[branch]!.push(this.#one());
        continue;
      }
      this.#at++;
      if (part.kind === "else" && branch === 0) {
        branch = 1;
        continue;
      }
      if (part.kind !== "endif") {
        const detail = part.kind === "else" ? "This if has an else already." : "An endif is expected here.";
        return this.#bad(`Unexpected ${part.kind} directive`, detail, part.range);
      }
      const emptyElse = { ...part.range, end: part.range.start };
      return {
        kind: "conditional",
        condition: open.condition,
        whenTrue: templateOf(branches[0]!, after(open.range)),
        whenFalse: templateOf(branches[1]!, emptyElse),
        range: between(open.range, part.range),
      };
    }
  }

  #for(open: Extract<Part, { kind: "for" }>): Expression {
    const content: Expression[] = [];
    for (;;) {
      const part = this.#parts[this.#at]!;
      if (part.kind === "end") {
        return this.#bad("Unexpected end of template", "A for directive has no endfor.", part.range);
      }
      if (part.kind !== "else" && part.kind !== "endif" && part.kind !== "endfor") {
        content.push(this.#one());
        continue;
      }
      this.#at++;
      if (part.kind !== "endfor") {
        const detail = part.kind === "else" ? "A for directive takes no else." : "An endfor is expected here.";
        return this.#bad(`Unexpected ${part.kind} directive`, detail, part.range);
      }
      const range = between(open.range, part.range);
      const tuple: Expression = {
        kind: "for",
        keyName: open.keyName,
        valueName: open.valueName,
        collection: open.collection,
        key: undefined,
        value: templateOf(content, after(open.range)),
        condition: undefined,
        group: false,
        range,
        openRange: open.range,
      };
      return { kind: "template-join", tuple, range };
    }
  }

  #bad(summary: string, detail: string, range: Range): Expression {
    this.#complain(summary, detail, range);
    return { kind: "syntax-error", diagnostics: [], range };
  }
}

function templateOf(parts: Expression[], emptyRange: Range): Expression {
  if (parts.length === 0) parts.push({ kind: "literal", value: stringValue(""), range: emptyRange });
  return { kind: "template", parts, range: between(parts[0]!.range, parts.at(-1)!.range) };
}

function trimLeft(text: string): string {
  return text.replace(/^[\s\u0085]+/u, "");
}

function trimRight(text: string): string {
  return text.replace(/[\s\u0085]+$/u, "");
}

/** Lines that are blank do not count; a line that starts with a sequence has no indentation. */
function removeIndentation(parts: Part[]): void {
  let smallest = Infinity;
  let lineStarts = true;
  const adjustable: Extract<Part, { kind: "literal" }>[] = [];
  for (const part of parts) {
    if (lineStarts) {
      lineStarts = false;
      if (part.kind === "end") continue;
      let spaces = 0;
      if (part.kind === "literal") {
        const rest = trimLeft(part.text);
        if (rest === "" && part.text.endsWith("\n")) spaces = Infinity;
        else {
          spaces = part.text.length - rest.length;
          adjustable.push(part);
        }
      }
      smallest = Math.min(smallest, spaces);
    }
    if (part.kind === "literal" && part.text.endsWith("\n")) lineStarts = true;
  }
  if (smallest === Infinity) return;
  for (const part of adjustable) {
    const cut = firstGraphemes(part.text, smallest);
    part.text = part.text.slice(cut.length);
    const { line, column } = part.range.start;
    part.range = { ...part.range, start: { line, column: column + smallest } };
  }
}

function joinLiterals(parts: readonly Part[]): Part[] {
  const joined: Part[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part.kind === "literal" && last?.kind === "literal") {
      last.text += part.text;
      last.range = between(last.range, part.range);
    } else joined.push(part);
  }
  return joined;
}
