// Source lines with a gutter that points at some of them. Counterpart: moby/buildkit solver/errdefs/source.go.

import type { LineSpan, SourceMapFile } from "../../../graph/llb/index.ts";
import { decodeText } from "../go/text.ts";

const RULE = "--------------------";

/** The lines of a file around those pointed at; "" when there is nothing to show. */
export function printExcerpt(file: SourceMapFile, ranges: readonly LineSpan[]): string {
  const lines = decodeText(file.data).toWellFormed().split("\n");
  if (ranges.length === 0) return "";
  const first = Math.min(...ranges.map(({ start }) => start));
  let start = first;
  let end = Math.max(...ranges.map((range) => Math.max(range.start, range.end)));
  if (start < 1 || start > lines.length) return "";
  end = Math.min(end, lines.length);
  // Grows on both sides; a single line gets more company.
  const padding = end === start ? 4 : 2;
  for (let added = 0; added < padding; added++) {
    if (start > 1) {
      start--;
      added++;
    }
    if (end !== lines.length) {
      end++;
      added++;
    }
  }
  const isMarked = (line: number) =>
    ranges.some((range) => line >= range.start && line <= Math.max(range.start, range.end));
  const rows = lines
    .slice(start - 1, end)
    .map((text, at) => ` ${String(start + at).padStart(3)} | ${isMarked(start + at) ? ">>>" : "   "} ${text}\n`);
  return `${file.filename}:${first}\n${RULE}\n${rows.join("")}${RULE}\n`;
}
