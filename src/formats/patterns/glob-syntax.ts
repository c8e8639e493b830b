// Which patterns are accepted at all: the syntax check of Go's filepath.Match, whose rules for brackets and backslashes
// every ignore pattern must pass before it is used. Counterpart: Go path/filepath Match.

/** Whether filepath.Match accepts `pattern`: closed brackets with at least one proper range, no backslash at the end. */
export function isValidGlob(pattern: string): boolean {
  let rest = pattern;
  while (rest !== "") {
    const { chunk, after } = nextChunk(rest);
    if (!isValidChunk(chunk)) return false;
    rest = after;
  }
  return true;
}

// Splits at the next star that is outside brackets.
function nextChunk(pattern: string): { chunk: string; after: string } {
  let start = 0;
  while (start < pattern.length && pattern[start] === "*") start++;
  let inRange = false;
  let at = start;
  for (; at < pattern.length; at++) {
    const char = pattern[at];
    if (char === "\\") at++;
    else if (char === "[") inRange = true;
    else if (char === "]") inRange = false;
    else if (char === "*" && !inRange) break;
  }
  return { chunk: pattern.slice(start, at), after: pattern.slice(at) };
}

function isValidChunk(chunk: string): boolean {
  const points = Array.from(chunk);
  let at = 0;
  // Reads one (possibly escaped) end of a range; more text must follow it.
  const readEnd = (): boolean => {
    if (at >= points.length || points[at] === "-" || points[at] === "]") return false;
    if (points[at] === "\\") at++;
    if (at >= points.length) return false;
    at++;
    return at < points.length;
  };
  while (at < points.length) {
    const char = points[at++];
    if (char === "\\") {
      if (at >= points.length) return false;
      at++;
    } else if (char === "[") {
      if (points[at] === "^") at++;
      for (let ranges = 0; ranges === 0 || points[at] !== "]"; ranges++) {
        if (!readEnd()) return false;
        if (points[at] === "-") {
          at++;
          if (!readEnd()) return false;
        }
      }
      at++;
    }
  }
  return true;
}
