// Parses expressions by recursive descent, precedence level by level.
// Counterpart: hashicorp/hcl hclsyntax/parser.go.

import { BigFloat } from "../values/big-float.ts";
import { FALSE, NULL, TRUE, UNKNOWN, numberValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import type { BinaryOperator, Expression, SplatItem, Step } from "./expressions.ts";
import type { Token } from "./scanner.ts";
import { between } from "./source.ts";
import type { Range } from "./source.ts";
import { TemplateParser } from "./template-parser.ts";
import { isKeyword, oppositeBracket, tokenType } from "./token-reader.ts";

/** Loosest first. */
const levels: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  [">", ">=", "<", "<="],
  ["+", "-"],
  ["*", "/", "%"],
];

const MAX_DEPTH = 500;

export class ExpressionParser extends TemplateParser {
  #depth = 0;

  parseExpression(): Expression {
    if (this.#depth >= MAX_DEPTH) {
      const { range } = this.peek();
      this.complainOnce("Expression nested too deeply", `Expressions may nest ${MAX_DEPTH} levels deep.`, range);
      this.recovering = true;
      return unknown(range);
    }
    this.#depth++;
    try {
      return this.#conditional();
    } finally {
      this.#depth--;
    }
  }

  #conditional(): Expression {
    const start = this.peek().range;
    const [condition, failed] = this.#try(() => this.#binary(0));
    if (failed || this.peekType() !== "?") return condition;
    this.read();
    const [whenTrue, trueFailed] = this.#try(() => this.parseExpression());
    if (trueFailed) return condition;
    const colon = this.peek();
    if (tokenType(colon) !== ":") {
      this.complain(
        "Missing false expression in conditional",
        "A colon and the value for false are expected here.",
        colon.range,
      );
      return condition;
    }
    this.read();
    const [whenFalse, falseFailed] = this.#try(() => this.parseExpression());
    if (falseFailed) return condition;
    return { kind: "conditional", condition, whenTrue, whenFalse, range: between(start, whenFalse.range) };
  }

  #binary(level: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return this.#withTraversals();
    let [left, failed] = this.#try(() => this.#binary(level + 1));
    while (!failed && operators.includes(this.peekType())) {
      const operator = tokenType(this.read()) as BinaryOperator;
      const [right, rightFailed] = this.#try(() => this.#binary(level + 1));
      if (rightFailed) return left;
      left = { kind: "binary", operator, left, right, range: between(left.range, right.range) };
      failed = rightFailed;
    }
    return left;
  }

  #withTraversals(): Expression {
    return this.#traversals(this.#term());
  }

  #traversals(from: Expression): Expression {
    let result = from;
    for (;;) {
      const type = this.peekType();
      if (type === ".") result = this.#afterDot(result, from);
      else if (type === "[") result = this.#afterBracket(result, from);
      else return result;
    }
  }

  #afterDot(source: Expression, from: Expression): Expression {
    const dot = this.read();
    const next = this.peek();
    if (next.kind === "identifier") {
      this.read();
      return extend(source, { kind: "attribute", name: next.text, range: between(dot.range, next.range) });
    }
    if (next.kind === "number") {
      this.read();
      return extend(source, this.#legacyIndex(dot, next));
    }
    if (tokenType(next) === "*") return this.#attributeSplat(source, from, dot, this.read());
    this.complain("Invalid attribute name", "An attribute name is required after a dot.", next.range);
    this.recovering = true;
    return { kind: "syntax-error", diagnostics: [...this.diagnostics], range: between(from.range, dot.range) };
  }

  /** `.0`, an old way to write `[0]`. */
  #legacyIndex(dot: Token, number: Token): Step {
    const range = between(dot.range, number.range);
    if (number.text.includes(".")) {
      const [first, second] = number.text.split(".", 2);
      this.complain(
        "Invalid legacy index syntax",
        `Two indexes must be written in brackets: [${first}][${second}].`,
        number.range,
      );
      return { kind: "index", key: UNKNOWN, range };
    }
    return { kind: "index", key: this.#number(number), range };
  }

  #attributeSplat(source: Expression, from: Expression, dot: Token, star: Token): Expression {
    const item: SplatItem = { kind: "splat-item", range: between(dot.range, star.range) };
    const steps: Step[] = [];
    const firstRange = this.peek().range;
    let last = star.range;
    while (this.peekType() === ".") {
      const stepDot = this.read();
      const next = this.peek();
      if (next.kind !== "identifier" && next.kind !== "number") {
        if (tokenType(next) === "*") {
          this.complainOnce(
            "Nested splat expression not allowed",
            "A splat of attributes can't hold another splat.",
            next.range,
          );
        } else this.complainOnce("Invalid attribute name", "An attribute name is required after a dot.", star.range);
        this.recovering = true;
        return source;
      }
      this.read();
      steps.push(
        next.kind === "number"
          ? this.#legacyIndex(stepDot, next)
          : { kind: "attribute", name: next.text, range: between(stepDot.range, next.range) },
      );
      last = next.range;
    }
    const each: Expression =
      steps.length === 0 ? item : { kind: "relative", source: item, steps, range: between(firstRange, last) };
    return { kind: "splat", source, each, item, range: between(from.range, last), markerRange: item.range };
  }

  #afterBracket(source: Expression, from: Expression): Expression {
    const open = this.read();
    if (this.peekType() === "*") {
      this.read();
      let close = this.read();
      if (tokenType(close) !== "]" && !this.recovering) {
        this.complain("Missing close bracket on splat index", 'A "]" is expected behind the star.', close.range);
        close = this.recover("]");
      }
      const item: SplatItem = { kind: "splat-item", range: between(open.range, close.range) };
      const each = this.#traversals(item);
      return { kind: "splat", source, each, item, range: between(from.range, each.range), markerRange: item.range };
    }
    const [key, close] = this.withNewlines(false, (): [Expression, Token] => {
      const [key, failed] = this.#try(() => this.parseExpression());
      if (failed) return [key, this.recover("]")];
      const close = this.read();
      if (tokenType(close) === "]" || this.recovering) return [key, close];
      this.complain("Missing close bracket on index", 'A "]" is expected behind the index.', close.range);
      return [key, this.recover("]")];
    });
    const bracketRange = between(open.range, close.range);
    const constant = constantKey(key);
    if (constant !== undefined) return extend(source, { kind: "index", key: constant, range: bracketRange });
    return {
      kind: "index",
      collection: source,
      key,
      range: between(from.range, bracketRange),
      openRange: open.range,
      bracketRange,
    };
  }

  #term(): Expression {
    const start = this.peek();
    switch (tokenType(start)) {
      case "(":
        return this.#parentheses(this.read());
      case "number":
        this.read();
        return { kind: "literal", value: this.#number(start), range: start.range };
      case "identifier":
        return this.#name(this.read());
      case "open-quote":
      case "open-heredoc": {
        this.read();
        const template = this.parseTemplate(oppositeBracket(start.kind)!, start.text.startsWith("<<-"));
        const range = between(start.range, this.previousRange());
        if (template.isValue) return { kind: "template-wrap", wrapped: template.parts[0]!, range };
        return { kind: "template", parts: template.parts, range };
      }
      case "-":
      case "!": {
        this.read();
        // A sign binds tighter than any operator: -46+5 is (-46)+5.
        const operand = this.#withTraversals();
        const range = between(start.range, operand.range);
        return { kind: "unary", operator: start.text as "-" | "!", operand, range, symbolRange: start.range };
      }
      case "[":
        return this.#tuple(this.read());
      case "{":
        return this.#object(this.read());
      case "end":
        this.complainOnce("Missing expression", "An expression is expected, but the file ends here.", start.range);
        break;
      default:
        this.complainOnce("Invalid expression", "An expression is expected here.", start.range);
    }
    this.recovering = true;
    return unknown(start.range);
  }

  #parentheses(open: Token): Expression {
    return this.withNewlines(false, () => {
      const [inner, , complained] = this.#try(() => this.parseExpression());
      if (complained) {
        this.recover(")");
        return inner;
      }
      const close = this.peek();
      if (tokenType(close) !== ")") {
        this.complain("Unbalanced parentheses", "A closing parenthesis is expected here.", close.range);
        this.recovering = true;
      }
      this.read();
      return { kind: "parentheses", inner, range: between(open.range, close.range) };
    });
  }

  #name(token: Token): Expression {
    const next = this.peekType();
    if (next === "(" || next === "::") return this.#call(token);
    const { range, text } = token;
    const keyword = text === "true" ? TRUE : text === "false" ? FALSE : text === "null" ? NULL : undefined;
    if (keyword !== undefined) return { kind: "literal", value: keyword, range };
    return { kind: "scope", steps: [{ kind: "root", name: text, range }], range };
  }

  #call(nameToken: Token): Expression {
    let open = this.read();
    let name = nameToken.text;
    let nameRange = nameToken.range;
    const give = (summary: string, detail: string, at: Token): Expression => {
      this.complain(summary, detail, at.range);
      this.recoverOver("(");
      return { kind: "syntax-error", diagnostics: [], range: between(nameToken.range, at.range) };
    };
    while (tokenType(open) === "::") {
      const part = this.read();
      if (part.kind !== "identifier")
        return give("Missing function name", "A function's name is expected behind ::.", part);
      name += `::${part.text}`;
      nameRange = between(nameRange, part.range);
      open = this.read();
    }
    if (tokenType(open) !== "(")
      return give("Missing open parenthesis", "A function's arguments are expected here.", open);
    const args: Expression[] = [];
    let expandLast = false;
    const close = this.withNewlines(false, (): Token => {
      for (;;) {
        if (this.peekType() === ")") return this.read();
        const [arg, failed] = this.#try(() => this.parseExpression());
        args.push(arg);
        if (failed) return this.recover(")");
        const separator = this.read();
        const type = tokenType(separator);
        if (type === ")") return separator;
        if (type === "...") {
          expandLast = true;
          if (this.peekType() === ")") return this.read();
          this.complainOnce(
            "Missing closing parenthesis",
            "Nothing but a closing parenthesis may follow an expanded argument.",
            separator.range,
          );
          return this.recover(")");
        }
        if (type !== ",") {
          if (type === "end") {
            this.complain(
              "Unterminated function call",
              "The file ends before the parenthesis that closes this call.",
              between(nameToken.range, open.range),
            );
          } else this.complain("Missing argument separator", "A comma is expected between arguments.", separator.range);
          return this.recover(")");
        }
      }
    });
    return {
      kind: "call",
      name,
      args,
      expandLast,
      range: between(nameRange, close.range),
      nameRange,
      openRange: open.range,
      closeRange: close.range,
    };
  }

  #tuple(open: Token): Expression {
    return this.withNewlines(false, () => {
      if (isKeyword(this.peek(), "for")) return this.#for(open);
      const items: Expression[] = [];
      const close = this.#tupleItems(open, items);
      return { kind: "tuple", items, range: between(open.range, close.range), openRange: open.range };
    });
  }

  #tupleItems(open: Token, items: Expression[]): Token {
    for (;;) {
      if (this.peekType() === "]") return this.read();
      const [item, failed] = this.#try(() => this.parseExpression());
      items.push(item);
      if (failed) return this.recover("]");
      const next = this.peek();
      const type = tokenType(next);
      if (type === "]") return this.read();
      if (type !== ",") {
        if (type === "end") {
          this.complainOnce(
            "Unterminated tuple constructor expression",
            "The file ends before the bracket that closes this one.",
            open.range,
          );
        } else this.complainOnce("Missing item separator", "A comma is expected before the next item.", next.range);
        return this.recover("]");
      }
      this.read();
    }
  }

  #object(open: Token): Expression {
    const isFor = this.withNewlines(false, () => isKeyword(this.peek(), "for"));
    if (isFor) return this.#for(open);
    return this.withNewlines(true, () => {
      const items: { key: Expression; value: Expression }[] = [];
      const close = this.#objectItems(open, items);
      return { kind: "object", items, range: between(open.range, close.range), openRange: open.range };
    });
  }

  #objectItems(open: Token, items: { key: Expression; value: Expression }[]): Token {
    const unterminated = () =>
      this.complainOnce(
        "Unterminated object constructor expression",
        "The file ends before the brace that closes this one.",
        open.range,
      );
    for (;;) {
      const first = this.peekType();
      if (first === "newline") {
        this.read();
        continue;
      }
      if (first === "}") return this.read();
      const [wrapped, keyFailed] = this.#try(() => this.parseExpression());
      if (keyFailed) return this.recover("}");
      const key: Expression = { kind: "object-key", wrapped, forced: first === "(", range: wrapped.range };
      const assign = this.peek();
      const type = tokenType(assign);
      if (type !== "=" && type !== ":") {
        if (type === "end") unterminated();
        else if (type === "newline" || type === ",") {
          this.complainOnce(
            "Missing attribute value",
            'An equals sign ("=") and a value are expected here.',
            assign.range,
          );
        } else {
          const hint = type === "identifier" ? " A name with dots or spaces must be quoted." : "";
          this.complainOnce(
            "Missing key/value separator",
            `An equals sign ("=") is expected here.${hint}`,
            assign.range,
          );
        }
        return this.recover("}");
      }
      this.read();
      const [value, valueFailed] = this.#try(() => this.parseExpression());
      if (valueFailed) {
        if (value.kind === "syntax-error") items.push({ key, value });
        return this.recover("}");
      }
      items.push({ key, value });
      const next = this.peek();
      const nextType = tokenType(next);
      if (nextType === "}") return this.read();
      if (nextType !== "," && nextType !== "newline") {
        if (nextType === "end") unterminated();
        else
          this.complainOnce(
            "Missing attribute separator",
            "A newline or comma is expected before the next attribute.",
            next.range,
          );
        return this.recover("}");
      }
      this.read();
    }
  }

  #for(open: Token): Expression {
    return this.withNewlines(false, () => this.#forBody(open, this.read()));
  }

  #forBody(open: Token, _introducer: Token): Expression {
    const closeType = oppositeBracket(tokenType(open))!;
    const makesObject = closeType === "}";
    const summary = "Invalid 'for' expression";
    const give = (): Expression => unknown(between(open.range, this.recover(closeType).range));
    const expected = (detail: string): Expression => {
      this.complainOnce(summary, detail, this.peek().range);
      return give();
    };
    if (this.peek().kind !== "identifier") return expected("A variable's name is expected behind 'for'.");
    let keyName = "";
    let valueName = this.read().text;
    if (this.peekType() === ",") {
      this.read();
      if (this.peek().kind !== "identifier") return expected("The value's name is expected behind the comma.");
      keyName = valueName;
      valueName = this.read().text;
    }
    if (!isKeyword(this.peek(), "in")) return expected("The keyword 'in' is expected behind the names.");
    this.read();
    const [collection, collectionFailed] = this.#try(() => this.parseExpression());
    if (collectionFailed) return give();
    if (this.peekType() !== ":") return expected("A colon is expected behind the collection.");
    this.read();
    let key: Expression | undefined;
    let [value, valueFailed] = this.#try(() => this.parseExpression());
    if (this.peekType() === "=>") {
      this.read();
      key = value;
      const [second, secondFailed] = this.#try(() => this.parseExpression());
      value = second;
      valueFailed ||= secondFailed;
    }
    if (valueFailed) return give();
    const ellipsis = this.peekType() === "..." ? this.read() : undefined;
    let condition: Expression | undefined;
    if (isKeyword(this.peek(), "if")) {
      this.read();
      const [parsed, failed] = this.#try(() => this.parseExpression());
      if (failed) return give();
      condition = parsed;
    }
    let close = this.peek();
    if (tokenType(close) === closeType) this.read();
    else {
      this.complainOnce(summary, "Nothing more is expected in the 'for' expression.", close.range);
      close = this.recover(closeType);
    }
    if (!makesObject && key !== undefined) this.complain(summary, "A tuple has no keys.", key.range);
    if (!makesObject && ellipsis !== undefined) {
      this.complain(summary, 'Values of a tuple can\'t be grouped with "...".', ellipsis.range);
    }
    if (makesObject && key === undefined) this.complain(summary, "An object needs a key expression.", value.range);
    return {
      kind: "for",
      keyName,
      valueName,
      collection,
      key,
      value,
      condition,
      group: ellipsis !== undefined,
      range: between(open.range, close.range),
      openRange: open.range,
    };
  }

  #number(token: Token): Value {
    const number = BigFloat.parse(token.text);
    if (number !== undefined) return numberValue(number);
    this.complain("Invalid number literal", `${token.text} is not a number.`, token.range);
    return UNKNOWN;
  }

  /** What `parse` gives; whether it complained and lost its way; and whether it complained at all. */
  #try<T>(parse: () => T): [T, boolean, boolean] {
    const before = this.diagnostics.length;
    const result = parse();
    const complained = this.diagnostics.length > before;
    return [result, this.recovering && complained, complained];
  }
}

function unknown(range: Range): Expression {
  return { kind: "literal", value: UNKNOWN, range };
}

function extend(source: Expression, step: Step): Expression {
  const range = between(source.range, step.range);
  if (source.kind === "scope" || source.kind === "relative")
    return { ...source, steps: [...source.steps, step], range };
  return { kind: "relative", source, steps: [step], range };
}

/** The value of an index that needs no evaluation. */
function constantKey(key: Expression): Value | undefined {
  if (key.kind === "literal") return key.value;
  const [only, ...more] = key.kind === "template" ? key.parts : [];
  return only?.kind === "literal" && more.length === 0 ? only.value : undefined;
}
