// The text of a .dockerignore file: comments, blank lines, `!`, absolute paths made relative.
// Counterpart: moby/patternmatcher/ignorefile.

import { cleanPath } from "./posix-path.ts";
import { trimSpace } from "./spaces.ts";

/** The patterns of an ignore file in order; a byte order mark is dropped, invalid UTF-8 becomes U+FFFD. */
export function parseIgnoreFile(bytes: Uint8Array | string): string[] {
  const text = typeof bytes === "string" ? bytes.replace(/^\uFEFF/, "") : new TextDecoder().decode(bytes);
  const patterns: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    let pattern = trimSpace(line);
    if (pattern === "") continue;
    const invert = pattern.startsWith("!");
    if (invert) pattern = trimSpace(pattern.slice(1));
    if (pattern !== "") {
      pattern = cleanPath(pattern);
      if (pattern.length > 1 && pattern.startsWith("/")) pattern = pattern.slice(1);
    }
    patterns.push(invert ? `!${pattern}` : pattern);
  }
  return patterns;
}
