import { countText } from "./words.ts";
import type { Counts } from "../views/counts.ts";

/** All jobs; those that newly failed are among the failed ones. */
export function totalOf(counts: Counts): number {
  const { succeeded, failed, running, scheduled, canceled } = counts;
  return succeeded + failed + running + scheduled + canceled;
}

const PARTS = ["succeeded", "failed", "canceled", "running", "scheduled"] as const;

/** A bar of the counts, and the counts themselves. */
export function CountsBar({ counts }: { counts: Counts }) {
  const total = totalOf(counts);
  if (total === 0) return <span class="faint">no jobs</span>;
  const texts = PARTS.filter((part) => counts[part] > 0).map(
    (part) => `${countText(counts[part])} ${part}`,
  );
  let x = 0;
  return (
    <div class="counts">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        {PARTS.map((part) => {
          const width = (100 * counts[part]) / total;
          const from = x;
          x += width;
          return width === 0 ? null : (
            <rect key={part} class={`fill-${part}`} x={from} y="0" width={width} height="8" />
          );
        })}
      </svg>
      <span class="counts-text">{texts.join(" · ")}</span>
    </div>
  );
}
