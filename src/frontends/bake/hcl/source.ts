// Places in a source text, and what is wrong there. Lines and columns count from 1; a column is a grapheme cluster, as in HCL.

/** A place in a text. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From `start` up to, not including, `end`. */
export interface Range {
  readonly filename: string;
  readonly start: Position;
  readonly end: Position;
}

export interface Diagnostic {
  readonly summary: string;
  readonly detail: string;
  readonly subject: Range | undefined;
}

/** What stops the reading of a definition: at least one diagnostic, in the order found. */
export class DiagnosticsError extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnosticsText(diagnostics));
    this.diagnostics = diagnostics;
  }
}

/** The first diagnostic in one line, and how many others there are. */
export function diagnosticsText(diagnostics: readonly Diagnostic[]): string {
  const [first] = diagnostics;
  if (first === undefined) return "no diagnostics";
  const at = first.subject === undefined ? "" : `${rangeText(first.subject)}: `;
  const others = diagnostics.length > 1 ? `, and ${diagnostics.length - 1} other diagnostic(s)` : "";
  return `${at}${first.summary}; ${first.detail}${others}`;
}

/** `file:line,column-column`, or `-line,column` where it ends on another line. */
export function rangeText({ filename, start, end }: Range): string {
  const to = start.line === end.line ? String(end.column) : `${end.line},${end.column}`;
  return `${filename}:${start.line},${start.column}-${to}`;
}

/** From the start of one range to the end of another. */
export function between(from: Range, to: Range): Range {
  return { filename: from.filename, start: from.start, end: to.end };
}

/** The empty range behind another. */
export function after(range: Range): Range {
  return { filename: range.filename, start: range.end, end: range.end };
}

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** How many columns a text without line ends takes. */
export function columnsOf(text: string): number {
  // oxlint-disable-next-line no-control-regex -- plain ASCII has one column a character
  if (/^[\x00-\x7f]*$/.test(text)) return text.length;
  return [...segmenter.segment(text)].length;
}

/** The place behind `text` that starts at `start`. */
export function advance(start: Position, text: string): Position {
  const lastBreak = text.lastIndexOf("\n");
  if (lastBreak < 0) return { line: start.line, column: start.column + columnsOf(text) };
  let line = start.line;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) line++;
  return { line, column: 1 + columnsOf(text.slice(lastBreak + 1)) };
}

/** The first grapheme clusters of a text, at most `count`. */
export function firstGraphemes(text: string, count: number): string {
  let taken = "";
  for (const { segment } of segmenter.segment(text)) {
    if (count-- <= 0) break;
    taken += segment;
  }
  return taken;
}

const BAD_BYTE = 0xdc00;

/** Text of a file. A byte that is not UTF-8 becomes a lone surrogate, which {@link isBadByte} recognises; a leading BOM goes. */
export function decodeSource(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return decodeBytewise(bytes);
  }
}

/** Whether a UTF-16 unit stands for a byte that is not UTF-8. */
export function isBadByte(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  if (unit < BAD_BYTE || unit > BAD_BYTE + 0xff) return false;
  const before = at > 0 ? text.charCodeAt(at - 1) : 0;
  return before < 0xd800 || before > 0xdbff;
}

function decodeBytewise(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (at < bytes.length) {
    const first = bytes[at]!;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    try {
      text += decoder.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += String.fromCharCode(BAD_BYTE + first);
      at++;
    }
  }
  return text;
}
