import { BUILD_STATUSES, type BuildStatus } from "./status.ts";
import { countText, durationText } from "./words.ts";

/** What dashboards say, on the server and in the browser. */

/** "12 of 40 jobs" */
export function shownText(shown: number, all: number): string {
  return `${countText(shown)} of ${countText(all)} ${all === 1 ? "job" : "jobs"}`;
}

/** The square's name for those who hover, and for those who do not see it. */
export function squareText(job: string, status: BuildStatus, duration: number | null): string {
  const time = duration === null ? "" : `, ${durationText(duration)}`;
  return `${job}: ${BUILD_STATUSES[status].text}${time}`;
}
