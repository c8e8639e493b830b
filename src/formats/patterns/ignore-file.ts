// The text of a .dockerignore file: comments, blank lines, `!`, absolute paths made relative.
// Counterpart: moby/patternmatcher/ignorefile.

import { BuildError } from "../../base/index.ts";
import { cleanPath } from "./posix-path.ts";
import { trimSpace } from "./spaces.ts";

const MAX_LINE_BYTES = 65_535;

/**
 * The patterns of an ignore file in order; a byte order mark is dropped, invalid UTF-8 becomes U+FFFD.
 * @throws LINE_TOO_LONG when a line has more than 65,535 bytes
 */
export function parseIgnoreFile(bytes: Uint8Array | string): string[] {
  const text = typeof bytes === "string" ? bytes.replace(/^\uFEFF/, "") : new TextDecoder().decode(bytes);
  const patterns: string[] = [];
  for (const line of text.split("\n")) {
    if (line.length > MAX_LINE_BYTES / 4 && Buffer.byteLength(line) > MAX_LINE_BYTES) {
      throw new BuildError("bufio.Scanner: token too long", { code: "LINE_TOO_LONG", status: "InvalidArgument" });
    }
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
