import type { Queries } from "../db/client.ts";
import { findRegistration } from "../db/registration-repository.ts";
import { listWorkerAttempts, type WorkerAttempt } from "../db/worker-history-view.ts";
import { NotFoundError } from "../errors.ts";

const HOUR_MS = 3_600_000;
const SHOWN_HOURS = 48;
/** Attempts that are looked at; a busier worker's history is shorter. */
const MAX_ATTEMPTS = 5000;

/** One hour of a worker, as far as one organization's builds go. */
export interface WorkerHour {
  /** Its beginning, milliseconds since the epoch. */
  at: number;
  /** Builds that ran at the same time, on average. */
  assignedJobs: number;
  /** Attempts that ended in it. */
  ended: number;
  /** Those of them that were built. */
  built: number;
}

export interface WorkerHistory {
  jobsDispatched: number;
  hours: WorkerHour[];
}

/** What a registered worker did for an organization in the last two days, made from the attempts. Throws NotFoundError. */
export async function workerHistory(
  db: Queries,
  key: { organizationId: string; workerId: string },
  now: number,
): Promise<WorkerHistory> {
  if ((await findRegistration(db, key)) === undefined) {
    throw new NotFoundError(`worker ${key.workerId} is not registered for this organization`);
  }
  const attempts = await listWorkerAttempts(db, key, MAX_ATTEMPTS);
  return { jobsDispatched: attempts.length, hours: hoursOf(attempts, now) };
}

/** From the hour of the first attempt on, at most the last ones; the current hour is the last. */
function hoursOf(attempts: readonly WorkerAttempt[], now: number): WorkerHour[] {
  const last = now - (now % HOUR_MS);
  const first = attempts.at(-1)?.assignedAt ?? now;
  const from = Math.max(first - (first % HOUR_MS), last - (SHOWN_HOURS - 1) * HOUR_MS);
  const hours: WorkerHour[] = [];
  for (let at = from; at <= last; at += HOUR_MS) {
    const end = Math.min(at + HOUR_MS, now);
    const ended = attempts.filter(({ stoppedAt }) => isWithin(stoppedAt, at, at + HOUR_MS));
    const busyMs = attempts.reduce((sum, each) => sum + overlapMs(each, at, end), 0);
    hours.push({
      at,
      assignedJobs: end > at ? busyMs / (end - at) : 0,
      ended: ended.length,
      built: ended.filter(({ status }) => status === "built").length,
    });
  }
  return hours;
}

function isWithin(time: number | null, from: number, to: number): boolean {
  return time !== null && time >= from && time < to;
}

function overlapMs(attempt: WorkerAttempt, from: number, to: number): number {
  const begin = Math.max(attempt.assignedAt, from);
  const end = Math.min(attempt.stoppedAt ?? to, to);
  return Math.max(0, end - begin);
}
