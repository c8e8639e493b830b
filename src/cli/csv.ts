// One line of comma-separated values, as `--output`, `--secret` and their like are written: quotes around a whole field, doubled
// quotes inside. Counterpart: tonistiigi/go-csvvalue.

/** Splits a line. @throws Error for a quote that opens inside a field, follows one, or never closes. */
export function parseCsv(line: string): string[] {
  const text = line.replace(/\r?\n$/, "");
  if (text === "") throw new Error("EOF");
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(",", at);
      const field = comma < 0 ? text.slice(at) : text.slice(at, comma);
      const quote = field.indexOf('"');
      if (quote >= 0) throw new Error(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`);
      fields.push(field);
      if (comma < 0) return fields;
      at = comma + 1;
      continue;
    }
    let field = "";
    at++;
    for (;;) {
      const quote = text.indexOf('"', at);
      if (quote < 0)
        throw new Error(`parse error on line 1, column ${at + 1}: extraneous or missing " in quoted-field`);
      field += text.slice(at, quote);
      at = quote + 1;
      if (text[at] !== '"') break;
      field += '"';
      at++;
    }
    fields.push(field);
    if (at === text.length) return fields;
    if (text[at] !== ",")
      throw new Error(`parse error on line 1, column ${at}: extraneous or missing " in quoted-field`);
    at++;
  }
}
