// Columns of text with blanks between them. Counterpart: Go text/tabwriter.

/** Rows as lines; every column but the last is as wide as its widest cell plus `padding`. */
export function textTable(rows: readonly (readonly string[])[], padding: number): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.slice(0, -1).entries()) {
      widths[column] = Math.max(widths[column] ?? 0, Array.from(cell).length + padding);
    }
  }
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!))).join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}
