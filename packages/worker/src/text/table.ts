import { clipped } from "./terminal-text.ts";

const GAP = "  ";

const MIN_NAME_WIDTH = 12;

/** As `tableLines`, for a terminal with so many columns: the first cell of each row is cut where it would be too long for that. */
export function fittingTableLines(rows: readonly (readonly string[])[], columns: number): string[] {
  const rest = tableLines(rows.map(([, ...others]) => others)).map((line) => line.length);
  // The last column stays free: some terminals wrap when it is written.
  const width = Math.max(MIN_NAME_WIDTH, columns - 1 - GAP.length - Math.max(...rest));
  return tableLines(rows.map(([name = "", ...others]) => [clipped(name, width), ...others]));
}

/** Lines of a table, its columns as wide as they need to be. Spaces at the end of a line are left out. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(GAP)
      .trimEnd(),
  );
}
