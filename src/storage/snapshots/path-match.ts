// Go's path.Match: `*` and `?` stay within one path element, `[a-z]` and `[^a]` are classes, `\` escapes.
// Counterpart: Go path/match.go.

import { BuildError } from "../../base/index.ts";

const compiled = new Map<string, RegExp>();

/** Whether the whole of `path` matches `pattern`. @throws BAD_PATTERN when the pattern is malformed. */
export function matchPath(pattern: string, path: string): boolean {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    expression = compile(pattern);
    if (compiled.size > 1000) compiled.clear();
    compiled.set(pattern, expression);
  }
  return expression.test(path);
}

/** Whether a path has a wildcard: one of `*?[` that is not escaped. */
export function hasWildcards(path: string): boolean {
  return /^(?:\\.|[^\\*?[])*[*?[]/su.test(path);
}

function compile(pattern: string): RegExp {
  let source = "";
  const characters = Array.from(pattern);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "[") {
      const [text, end] = compileClass(characters, at + 1, pattern);
      source += text;
      at = end;
    } else if (character === "\\") {
      if (++at >= characters.length) throw badPattern(pattern);
      source += quote(characters[at]!);
    } else source += quote(character);
  }
  return new RegExp(`^${source}$`, "su");
}

function compileClass(characters: readonly string[], start: number, pattern: string): [string, number] {
  let at = start;
  const negated = characters[at] === "^";
  if (negated) at++;
  const ranges: string[] = [];
  const take = (): string => {
    let character = characters[at++];
    if (character === undefined || character === "-" || character === "]") throw badPattern(pattern);
    if (character === "\\") character = characters[at++];
    if (character === undefined) throw badPattern(pattern);
    return character;
  };
  while (characters[at] !== "]" || ranges.length === 0) {
    const low = take();
    let high = low;
    if (characters[at] === "-") {
      at++;
      high = take();
    }
    // An upside-down range matches nothing; the empty look-ahead keeps the expression valid.
    if (low.codePointAt(0)! <= high.codePointAt(0)!) ranges.push(`${hex(low)}-${hex(high)}`);
    else ranges.push("");
  }
  const body = ranges.join("");
  if (negated) return [body === "" ? "." : `[^${body}]`, at];
  return [body === "" ? "(?!)" : `[${body}]`, at];
}

function hex(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

function quote(character: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

function badPattern(pattern: string): BuildError {
  return new BuildError("syntax error in pattern", {
    code: "BAD_PATTERN",
    status: "InvalidArgument",
    hint: `check the pattern ${JSON.stringify(pattern)}`,
  });
}
