/** How long the build itself ran; null when it never did or still does. */
export function buildTimeMs(times: {
  started_at: number | null;
  stopped_at: number | null;
}): number | null {
  if (times.started_at === null || times.stopped_at === null) return null;
  return Math.max(0, times.stopped_at - times.started_at);
}
