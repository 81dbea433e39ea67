import { nextCron, type ShownTriggerConfig } from "./trigger-config.ts";

/** Looks of one interval are spread by so much, so that projects that were made together are not looked at together. */
const JITTER = 0.1;
const MAX_BACKOFF_MS = 3600 * 1000;
const MAX_DOUBLINGS = 10;

/**
 * When a trigger looks next, milliseconds since the epoch; null for one that is told. After `failures` in a row it looks ever more seldom, down
 * to once an hour. `random` is from 0 to 1.
 */
export function nextDue(
  config: ShownTriggerConfig,
  at: { now: number; failures: number; random: number },
): number | null {
  const { now, failures, random } = at;
  switch (config.type) {
    case "time":
      return nextCron(config.cron, now);
    case "polling": {
      const intervalMs = config.interval_secs * 1000;
      const slowed = intervalMs * 2 ** Math.min(failures, MAX_DOUBLINGS);
      const delayMs = Math.max(intervalMs, Math.min(slowed, MAX_BACKOFF_MS));
      return Math.round(now + delayMs * (1 + JITTER * random));
    }
    case "reporter_push":
    case "reporter_pull_request":
      return null;
  }
}
