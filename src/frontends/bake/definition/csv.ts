// One record of comma-separated values, as docker's flags are written: `type=local,"dest=a,b"`.
// Counterpart: tonistiigi/go-csvvalue.

import { BuildError } from "../../../base/index.ts";

/** Fields of one record. @throws CSV_INVALID. */
export function csvFields(text: string, comma = ","): string[] {
  if (text === "") throw new BuildError("EOF", { code: "CSV_INVALID", status: "InvalidArgument" });
  const fields: string[] = [];
  for (let at = 0; ; at++) {
    if (text[at] === '"') {
      const quoted = /"((?:[^"]|"")*)"/y;
      quoted.lastIndex = at;
      const found = quoted.exec(text);
      at = quoted.lastIndex;
      if (found === null || (at < text.length && text[at] !== comma))
        throw invalid(text, 'extraneous or missing " in quoted-field');
      fields.push(found[1]!.replaceAll('""', '"'));
    } else {
      const end = text.indexOf(comma, at);
      const field = text.slice(at, end < 0 ? text.length : end);
      if (field.includes('"')) throw invalid(text, 'bare " in non-quoted-field');
      fields.push(field);
      at = end < 0 ? text.length : end;
    }
    if (at >= text.length) return fields;
  }
}

/** A value between commas, quoted where it must be. */
export function csvField(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function invalid(text: string, why: string): BuildError {
  const column = text.indexOf('"') + 1;
  return new BuildError(`parse error on line 1, column ${column}: ${why}`, {
    code: "CSV_INVALID",
    status: "InvalidArgument",
  });
}
