import { drawText } from "../badges/draw-badge.ts";

/** How an evaluation's jobs stand: the part of those that have ended well, in percent, rounded down, so that 100 % is all of them. Jobs by the status of their builds; null when there is no evaluation. */
export function jobsetBadge(label: string, jobs: ReadonlyMap<number, number> | null): string {
  if (jobs === null) return drawText(label, { text: "error", color: "unknown" }, "flat");
  const all = [...jobs.values()].reduce((sum, count) => sum + count, 0);
  if (all === 0) return drawText(label, { text: "no jobs", color: "unknown" }, "flat");
  const percent = Math.floor((100 * (jobs.get(0) ?? 0)) / all);
  const color = percent === 100 ? "passing" : percent >= 50 ? "partial" : "failing";
  return drawText(label, { text: `${percent}%`, color }, "flat");
}
