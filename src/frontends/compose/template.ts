// Variables in texts: `$NAME`, `${NAME:-default}` and their like. Counterpart: compose-go template/template.go.

import { isBuildError } from "../../base/index.ts";
import { composeError } from "./error.ts";

/** Finds a variable's value; undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface TemplateOptions {
  readonly lookup: Lookup;
  /** Told of each name that is used and not set. */
  readonly onUnset?: (name: string) => void;
}

/** A text that is no template. The place is added where it is known. */
export class TemplateError extends Error {
  readonly template: string;

  constructor(template: string) {
    super(`Invalid template: ${JSON.stringify(template)}`);
    this.template = template;
  }
}

const maxDepth = 200;

function pattern(flags: string): RegExp {
  return new RegExp(
    String.raw`\$(?:(?<escaped>\$)|(?<named>[_a-z][_a-z0-9]*)|\{(?:(?<braced>[_a-z][_a-z0-9]*(?::?[-+?](?:[^\n]*))?)\}|(?<invalid>)))`,
    flags,
  );
}

const everywhere = pattern("gi");
const first = pattern("i");
const operators = [":?", "?", ":-", "-", ":+", "+"] as const;
type Operator = (typeof operators)[number];

/** Puts in the values. @throws TemplateError; COMPOSE_INVALID for a variable that must be set and is not. */
export function substitute(template: string, options: TemplateOptions): string {
  return template.includes("$") ? substituteAt(template, options, 0) : template;
}

function substituteAt(template: string, options: TemplateOptions, depth: number): string {
  if (depth > maxDepth) throw composeError(`variables are nested more than ${maxDepth} deep`);
  return template.replace(everywhere, (found) => {
    try {
      return replacement(found, options, depth);
    } catch (error) {
      if (error instanceof TemplateError && error.template === "") throw new TemplateError(template);
      throw error;
    }
  });
}

function replacement(found: string, options: TemplateOptions, depth: number): string {
  const operator = operatorOf(found);
  const end = closingBrace(found);
  const groups = first.exec(end < 0 ? found : found.slice(0, end + 1))?.groups ?? {};
  const rest = end < 0 ? "" : found.slice(end + 1);
  if (groups["escaped"] !== undefined) return "$";
  const name = groups["named"] ?? groups["braced"] ?? "";
  if (name === "") throw new TemplateError("");
  if (groups["named"] === undefined && name.includes(operator)) {
    return applied(name, operator, options, depth) + substituteAt(rest, options, depth + 1);
  }
  const value = options.lookup(name);
  if (value === undefined) options.onUnset?.(name);
  return value ?? "";
}

function applied(text: string, operator: Operator, options: TemplateOptions, depth: number): string {
  const at = text.indexOf(operator);
  const name = text.slice(0, at);
  const value = options.lookup(name);
  const counts = value !== undefined && (value !== "" || !operator.startsWith(":"));
  const word = () => substituteAt(text.slice(at + operator.length), options, depth + 1);
  if (operator.endsWith("+")) return counts ? word() : (value ?? "");
  // `?` alone asks only whether it is set.
  if (counts) return value;
  if (operator.endsWith("-")) return word();
  const reason = word();
  throw composeError(`required variable ${name} is missing a value${reason === "" ? "" : `: ${reason}`}`);
}

/** The one that comes first. */
function operatorOf(text: string): Operator {
  let chosen: Operator = ":?";
  let chosenAt = Number.POSITIVE_INFINITY;
  for (const operator of operators) {
    const at = text.indexOf(operator);
    if (at >= 0 && at < chosenAt) [chosen, chosenAt] = [operator, at];
  }
  return chosen;
}

function closingBrace(text: string): number {
  let open = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "}" && --open === 0) return at;
    if (text[at] === "{") {
      open++;
      at++;
    }
  }
  return -1;
}

/** What went wrong in a template, told with its place. */
export function templateErrorAt(place: string, error: unknown): unknown {
  if (error instanceof TemplateError) {
    return composeError(
      `invalid interpolation format for ${place}.\nYou may need to escape any $ with another $.\n${error.template}`,
    );
  }
  return isBuildError(error)
    ? composeError(`error while interpolating ${place}: ${error.message}`, { cause: error })
    : error;
}
