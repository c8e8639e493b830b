// Columns of text. Two styles, as docker has them: three spaces between columns (lists), or tabs to stops of eight (totals).
// Counterpart: Go's text/tabwriter with docker's settings.

import { textWidth } from "./progress/index.ts";

/** Aligns rows with spaces: columns at least ten wide, three apart; the last cell of a row is not padded. Ends with a newline. */
export function alignSpaces(rows: readonly (readonly string[])[]): string {
  const widths = columnWidths(rows).map((width) => Math.max(10, width + 3));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat(widths[i]! - textWidth(cell)))).join(""),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** Aligns rows with tabs. Ends with a newline. */
export function alignTabs(rows: readonly (readonly string[])[]): string {
  const widths = columnWidths(rows).map((width) => Math.ceil((width + 1) / 8) * 8);
  const pad = (cell: string, width: number) => cell + "\t".repeat(Math.ceil((width - textWidth(cell)) / 8));
  return rows
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : pad(cell, widths[i]!))).join(""))
    .map((line) => `${line}\n`)
    .join("");
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, textWidth(cell));
    });
  }
  return widths;
}

/** Aligns rows with tabs as Go's tabwriter does: empty last cells count too, and a column of empty cells has no width. */
export function alignTabStops(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length)) - 1;
  const widths = Array.from({ length: columns }, (_, i) => {
    const widest = Math.max(...rows.map((row) => textWidth(row[i] ?? "")));
    return widest === 0 ? 8 : Math.ceil((widest + 1) / 8) * 8;
  });
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          i === row.length - 1 ? cell : cell + "\t".repeat(Math.ceil((widths[i]! - textWidth(cell)) / 8)),
        )
        .join(""),
    )
    .map((line) => `${line}\n`)
    .join("");
}
