import type { Surroundings } from "./surroundings.ts";

type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, Cell>>;

/** Rows as a table for people, or as JSON for programs. All have the same columns. */
export function printRows(
  { writeOut }: Surroundings,
  rows: readonly Row[],
  { json }: { readonly json: boolean },
): void {
  if (json) {
    writeOut(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  const [first] = rows;
  if (first === undefined) {
    writeOut("there are none\n");
    return;
  }
  const columns = Object.keys(first);
  const lines = [columns, ...rows.map((row) => columns.map((column) => shown(row[column])))];
  const widths = columns.map((_, at) => Math.max(...lines.map((cells) => cells[at]?.length ?? 0)));
  for (const cells of lines) {
    const padded = cells.map((cell, at) => cell.padEnd(widths[at] ?? 0));
    writeOut(`${padded.join("  ").trimEnd()}\n`);
  }
}

function shown(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return "-";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  return String(cell);
}

/** RFC 3339; null stays. */
export function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
