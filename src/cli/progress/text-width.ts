// How many terminal columns text takes, and text made safe to print on a line of a live display: build output is not trusted with
// the cursor.

import { stripVTControlCharacters } from "node:util";

// oxlint-disable-next-line no-control-regex
const plainAscii = /^[\u0020-\u007e]*$/;
// Controls, line and paragraph separators, and what turns the direction of writing.
// oxlint-disable-next-line no-control-regex
const unsafe = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
// Made when text needs it: loading its tables takes longer than the rest of the room.
let segmenter: Intl.Segmenter | undefined;

/** Columns that `text` takes on a terminal; it holds no control characters. */
export function textWidth(text: string): number {
  if (plainAscii.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes(text)) width += clusterWidth(segment);
  return width;
}

/** The longest start of `text` that takes at most `width` columns. */
export function clipToWidth(text: string, width: number): string {
  if (plainAscii.test(text)) return text.slice(0, Math.max(0, width));
  let clipped = "";
  let used = 0;
  for (const { segment } of graphemes(text)) {
    used += clusterWidth(segment);
    if (used > width) break;
    clipped += segment;
  }
  return clipped;
}

/** One printable line: escape sequences and control characters are gone, tabs are spaces, a carriage return starts over. */
export function printableLine(text: string): string {
  const lines = stripVTControlCharacters(text).replace(/\r+$/, "").split("\r");
  return lines.at(-1)!.replaceAll("\t", "        ").replace(unsafe, "");
}

function graphemes(text: string): Intl.Segments {
  return (segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" })).segment(text);
}

function clusterWidth(cluster: string): number {
  const code = cluster.codePointAt(0)!;
  if (zeroWidth.test(String.fromCodePoint(code))) return 0;
  return isWide(code) || cluster.includes("\ufe0f") ? 2 : 1;
}

// East Asian Wide and Fullwidth, and the emoji blocks.
function isWide(code: number): boolean {
  return (
    code >= 0x1100 &&
    (code <= 0x115f ||
      (code >= 0x2e80 && code <= 0x303e) ||
      (code >= 0x3041 && code <= 0x33ff) ||
      (code >= 0x3400 && code <= 0x4dbf) ||
      (code >= 0x4e00 && code <= 0x9fff) ||
      (code >= 0xa000 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0xffe0 && code <= 0xffe6) ||
      (code >= 0x1f300 && code <= 0x1f64f) ||
      (code >= 0x1f680 && code <= 0x1f6ff) ||
      (code >= 0x1f900 && code <= 0x1f9ff) ||
      (code >= 0x20000 && code <= 0x3fffd))
  );
}
