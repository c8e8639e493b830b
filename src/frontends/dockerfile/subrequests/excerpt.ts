// Source lines with a gutter that points at some of them. Counterpart: moby/buildkit solver/errdefs/source.go.

import { decodeText } from "../go/text.ts";
import type { LineSpan, SourceMapFile } from "../../../graph/llb/index.ts";

const CONTEXT_LINES = 3;
const RULE = "--------------------";

/** The lines of a file around those pointed at; "" when there is nothing to show. */
export function printExcerpt(file: SourceMapFile, ranges: readonly LineSpan[]): string {
  const lines = decodeText(file.data).toWellFormed().split("\n");
  if (lines.at(-1) === "") lines.pop();
  const first = ranges[0]?.start;
  const last = ranges.at(-1)?.end;
  if (first === undefined || last === undefined || first < 1 || first > lines.length) return "";
  let start = first;
  let end = Math.min(last, lines.length);
  const shown = (): number => end - start + 1;
  for (let padding = 0; shown() < CONTEXT_LINES * 2 && padding < CONTEXT_LINES; padding++) {
    if (start > 1) start--;
    if (end < lines.length) end++;
  }
  const marked = (line: number) => ranges.some((range) => line >= range.start && line <= range.end);
  const where = first === last ? `${first}` : `${first}-${last}`;
  const rows: string[] = [];
  for (let line = start; line <= end; line++) {
    rows.push(` ${String(line).padStart(3)} | ${marked(line) ? ">>>" : "   "} ${lines[line - 1]}`);
  }
  return `${file.filename}:${where}\n${RULE}\n${rows.join("\n")}\n${RULE}\n`;
}
