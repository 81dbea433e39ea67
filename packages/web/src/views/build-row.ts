import type { BuildStatus, Weather } from "../parts/status.ts";

/** A build as lists show it. Times are milliseconds since the epoch. */
export interface BuildRow {
  readonly number: number;
  readonly status: BuildStatus;
  readonly weather: Weather;
  /** Of its job; null for one that only others need. */
  readonly job: string | null;
  readonly name: string;
  readonly jobset: string;
  readonly system: string;
  readonly startedAt: number | null;
  readonly stoppedAt: number | null;
}
