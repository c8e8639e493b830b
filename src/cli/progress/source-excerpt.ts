// Lines of a Dockerfile around a span, with `>>>` on the lines meant. Counterpart: moby/buildkit solver/errdefs/source.go.

import type { SourceSpan } from "../../base/index.ts";

const ruler = "--------------------";

/** The excerpt, ending with a newline; empty when the span names no line of the text. */
export function sourceExcerpt(span: SourceSpan): string {
  const lines = Buffer.from(span.text).toString("utf8").split("\n");
  const ranges = span.ranges.map(({ start, end }) => ({ start, end: Math.max(start, end) }));
  if (ranges.length === 0) return "";
  const first = Math.min(...ranges.map(({ start }) => start));
  const last = Math.min(Math.max(...ranges.map(({ end }) => end)), lines.length);
  if (first < 1 || first > lines.length) return "";

  // One line gets two lines of surroundings on either side, a longer span one.
  let [from, to] = [first, last];
  const wanted = from === to ? 4 : 2;
  for (let added = 0; added < wanted; added++) {
    if (from > 1) {
      from--;
      added++;
    }
    if (to !== lines.length) {
      to++;
      added++;
    }
  }
  const body = lines.slice(from - 1, to).map((line, i) => {
    const number = from + i;
    const mark = ranges.some(({ start, end }) => start <= number && number <= end) ? ">>>" : "   ";
    return ` ${String(number).padStart(3)} | ${mark} ${line}\n`;
  });
  return `${span.filename}:${first}\n${ruler}\n${body.join("")}${ruler}\n`;
}
