// One line of comma-separated values with quotes, as RUN --mount and list options are written.
// Counterpart: tonistiigi/go-csvvalue, Go encoding/csv.

import { FrontendError } from "../source-error.ts";

/** The fields of one line. @throws FrontendError `EOF` when empty, `parse error on line 1, column N: …` on bad quotes */
export function csvFields(input: string): string[] {
  const line = input.replace(/\r?\n$/, "");
  if (line === "") throw new FrontendError("EOF");
  const fields: string[] = [];
  for (let at = 0; ;) {
    if (line[at] !== '"') {
      const comma = line.indexOf(",", at);
      const field = line.slice(at, comma < 0 ? line.length : comma);
      const bare = field.indexOf('"');
      if (bare >= 0) throw csvError(line, at + bare, 'bare " in non-quoted-field');
      fields.push(field);
      if (comma < 0) return fields;
      at = comma + 1;
      continue;
    }
    const { value, end } = quotedField(line, at + 1);
    fields.push(value);
    if (end >= line.length) return fields;
    at = end + 1;
  }
}

// Reads up to the closing quote, which must be followed by a comma or the end.
function quotedField(line: string, from: number): { value: string; end: number } {
  let value = "";
  for (let at = from; ;) {
    const close = line.indexOf('"', at);
    if (close < 0) throw csvError(line, at, 'extraneous or missing " in quoted-field');
    value += line.slice(at, close);
    const next = line[close + 1];
    if (next === undefined || next === ",") return { value, end: close + 1 };
    if (next !== '"') throw csvError(line, close, 'extraneous or missing " in quoted-field');
    value += '"';
    at = close + 2;
  }
}

// Columns count bytes from 1.
function csvError(line: string, at: number, problem: string): FrontendError {
  const column = Buffer.byteLength(line.slice(0, at)) + 1;
  return new FrontendError(`parse error on line 1, column ${column}: ${problem}`);
}
