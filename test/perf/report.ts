import { table } from "../demo/steps.ts";

/** One comparison. With `theirs`, `target` is a ratio of ours to theirs; without, it is a limit in the row's unit. */
export interface Row {
  what: string;
  unit: string;
  ours: number;
  theirs: number | null;
  against: string;
  better: "less" | "more";
  target: number | null;
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function isReached(row: Row): boolean {
  if (row.target === null) return true;
  const value = row.theirs === null ? row.ours : row.ours / row.theirs;
  return row.better === "less" ? value <= row.target : value >= row.target;
}

function cells(row: Row): string[] {
  const ratio = row.theirs === null ? "" : (row.ours / row.theirs).toFixed(2);
  const bound = row.better === "less" ? "at most" : "at least";
  const target =
    row.target === null ? "" : `${bound} ${row.target}${row.theirs === null ? ` ${row.unit}` : ""}`;
  const verdict = row.target === null ? "" : isReached(row) ? "reached" : "MISSED";
  return [
    row.what,
    `${figure(row.ours)} ${row.unit}`,
    row.theirs === null ? "" : `${figure(row.theirs)} ${row.unit}`,
    row.against,
    ratio,
    target,
    verdict,
  ];
}

/** The table that `npm run bench` ends with. */
export function report(rows: readonly Row[]): string {
  return table(["what", "farm", "other", "against", "ratio", "target", ""], rows.map(cells));
}
