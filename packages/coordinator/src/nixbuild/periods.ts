const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A stretch of time, milliseconds since the epoch; `before` is not in it. */
export interface Period {
  readonly from: number;
  readonly before: number;
}

/** Stretches that together are one: whole days, whole hours around them, and what is left at both ends. */
export interface Parts {
  readonly days: Period | null;
  readonly hours: readonly Period[];
  readonly rest: readonly Period[];
}

/** Cuts a period so that as much of it as can be is days of UTC, and of what is left as much as can be hours. */
export function partsOf(period: Period): Parts {
  const hours = whole(period, HOUR_MS);
  if (hours === null) return { days: null, hours: [], rest: around(period, null) };
  const days = whole(hours, DAY_MS);
  return { days, hours: around(hours, days), rest: around(period, hours) };
}

function whole({ from, before }: Period, lengthMs: number): Period | null {
  const start = Math.ceil(from / lengthMs) * lengthMs;
  // What has no end ends with a whole one.
  const end =
    before === Number.MAX_SAFE_INTEGER ? before : Math.floor(before / lengthMs) * lengthMs;
  return start < end ? { from: start, before: end } : null;
}

function around(outer: Period, inner: Period | null): Period[] {
  const parts =
    inner === null
      ? [outer]
      : [
          { from: outer.from, before: inner.from },
          { from: inner.before, before: outer.before },
        ];
  return parts.filter(({ from, before }) => from < before);
}
