// Patterns of target names: `*`, `?`, `[a-c]`, and `\` before a literal. Counterpart: Go's path.Match.

import { BuildError } from "../../../base/index.ts";

/** Whether a name, without slashes, is matched whole. @throws BAKE_PATTERN_INVALID with the message that `complaint` gives. */
export function matchesGlob(pattern: string, name: string, complaint: () => string): boolean {
  return compileGlob(pattern, complaint).test(name);
}

function compileGlob(pattern: string, complaint: () => string): RegExp {
  let source = "";
  const bad = () =>
    new BuildError(`${complaint()}: syntax error in pattern`, {
      code: "BAKE_PATTERN_INVALID",
      status: "InvalidArgument",
    });
  for (let at = 0; at < pattern.length;) {
    const char = pattern[at]!;
    if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const set = /^\[(\^?)((?:\\[^]|[^\]\\])+)\]/u.exec(pattern.slice(at));
      if (set === null) throw bad();
      source += `[${set[1]}${rangesOf(set[2]!, bad)}]`;
      at += set[0].length;
      continue;
    } else {
      const literal = char === "\\" ? pattern[++at] : char;
      if (literal === undefined) throw bad();
      source += literal.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    }
    at++;
  }
  return new RegExp(`^${source}$`, "u");
}

function rangesOf(set: string, bad: () => BuildError): string {
  let source = "";
  const chars = [...set.matchAll(/\\([^])|([^\\])/gu)].map(([, escaped, plain]) => ({
    char: escaped ?? plain!,
    escaped: escaped !== undefined,
  }));
  const literal = (char: string) => char.replace(/[\]\\^-]/g, "\\$&");
  for (let at = 0; at < chars.length; at++) {
    const { char, escaped } = chars[at]!;
    if (char === "-" && !escaped) throw bad();
    if (chars[at + 1]?.char === "-" && chars[at + 1]?.escaped === false) {
      const end = chars[at + 2];
      if (end === undefined || (end.char === "-" && !end.escaped)) throw bad();
      // A range that runs backwards matches nothing.
      if (char <= end.char) source += `${literal(char)}-${literal(end.char)}`;
      at += 2;
    } else source += literal(char);
  }
  return source === "" ? "\\b\\B" : source;
}
