import { findNewestAttempt, insertAttempts, linkRestart } from "../db/attempt-repository.ts";
import {
  countDependencyMet,
  failDependents,
  findUnwantedBuilds,
  moveBuilds,
  type Build,
} from "../db/build-repository.ts";
import { findReadyBuildsOf } from "../db/ready-build-repository.ts";
import type { Change } from "../queue/change.ts";
import type { BuildEvent } from "../scheduler/build-state.ts";
import { retractOutputs } from "./announcement.ts";
import { countFinished, queueReadyBuilds } from "./readiness.ts";

/** How often an attempt that came to no verdict is followed by another. */
export interface RetryPolicy {
  /** Attempts in all. */
  readonly maxAttempts: number;
  /** Before the second attempt; doubled before each further one. Milliseconds. */
  readonly firstDelayMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = { maxAttempts: 3, firstDelayMs: 30_000 };

/** Milliseconds to wait after so many attempts without a verdict; null when it is to be given up. */
export function retryDelay(policy: RetryPolicy, tries: number): number | null {
  return tries >= policy.maxAttempts ? null : policy.firstDelayMs * 2 ** (tries - 1);
}

/** How an attempt ended without its outputs. Times in milliseconds since the epoch; null where it never came to that, or nobody knows. */
export interface Failure {
  readonly message: string | null;
  readonly startedAt: number | null;
  readonly stoppedAt: number | null;
}

/** What the build's row has of it. A worker may have told before when it started. */
const columnsOf = ({ message, startedAt, stoppedAt }: Failure) => ({
  message,
  stopped_at: stoppedAt,
  ...(startedAt === null ? {} : { started_at: startedAt }),
});

/** The outputs are visible: dependents count one less, unless they have done so already, and those that wait for nothing are queued. */
export async function completeBuild(
  change: Change,
  build: Build,
  { startedAt, stoppedAt }: { startedAt: number | null; stoppedAt: number | null },
): Promise<void> {
  const { kysely, now } = change;
  const times = { started_at: startedAt, stopped_at: stoppedAt, stored_at: now, message: null };
  const moved = await moveBuilds(kysely, [build.id], "built", now, times);
  if (moved.length === 0) return;
  if (!build.isAnnounced) {
    const { ready } = await countDependencyMet(kysely, build.derivation);
    await queueReadyBuilds(change, ready);
  }
  await countFinished(change, moved);
}

/** A verdict against the build: it and everything that waits for it ends. */
export async function failBuild(
  change: Change,
  build: Build,
  event: Extract<BuildEvent, "failed" | "timed-out" | "given-up" | "refused">,
  end: Failure & { drvPath: string },
): Promise<void> {
  const { kysely, now } = change;
  await retractOutputs(change, build);
  const details = { ...columnsOf(end), retry_at: null };
  const moved = await moveBuilds(kysely, [build.id], event, now, details);
  if (moved.length === 0) return;
  const message = `dependency /nix/store/${end.drvPath} failed`;
  const dependents = await failDependents(kysely, build.derivation, message, now);
  await countFinished(change, [...moved, ...dependents]);
}

/** No verdict: another attempt after `delayMs`, or a failure when there were enough. */
export async function postponeBuild(
  change: Change,
  build: Build,
  end: Failure & { drvPath: string },
  policy: RetryPolicy,
  delay: "backoff" | "at-once",
): Promise<void> {
  const { kysely, now } = change;
  await retractOutputs(change, build);
  const tries = build.tries + 1;
  const backoffMs = retryDelay(policy, tries);
  const retryAt = backoffMs === null ? null : now + (delay === "at-once" ? 0 : backoffMs);
  const details = { ...columnsOf(end), tries, retry_at: retryAt };
  const moved = await moveBuilds(kysely, [build.id], "inconclusive", now, details);
  if (moved.length === 0) return;
  if (retryAt === null) {
    const message = `given up after ${tries} attempts: ${end.message ?? "no reason was given"}`;
    await failBuild(change, build, "given-up", { ...end, message });
  } else if (delay === "at-once") {
    await restartBuilds(change, [build.id]);
  }
}

/**
 * Out of memory: another attempt at once, with more. It does not count among those that came to no verdict, as each gets more than
 * the one before and there is an end to it.
 */
export async function restartWithMemory(
  change: Change,
  build: Build,
  end: Failure,
  memoryBytes: number,
): Promise<void> {
  const details = { ...columnsOf(end), retry_at: null };
  const moved = await moveBuilds(change.kysely, [build.id], "inconclusive", change.now, details);
  await restartBuilds(change, moved, memoryBytes);
}

/**
 * Queues builds for which another attempt is due. Each new attempt is linked to the one that it follows, and gets the same memory
 * unless it gets more.
 */
export async function restartBuilds(
  change: Change,
  builds: readonly number[],
  memoryBytes: number | null = null,
): Promise<void> {
  const { kysely, now, news } = change;
  const details = {
    retry_at: null,
    ready_at: now,
    assigned_at: null,
    started_at: null,
    stopped_at: null,
  };
  // A running build may outlive the evaluations that wanted it. It is not begun again for nobody.
  const unwanted = await findUnwantedBuilds(kysely, builds);
  const message = "no evaluation needs it any more";
  await moveBuilds(kysely, unwanted, "aborted", now, { message, retry_at: null });
  const moved = await moveBuilds(kysely, builds, "retried", now, details);
  for (const build of moved) {
    const previous = await findNewestAttempt(kysely, build);
    const memory = memoryBytes ?? previous?.memoryBytes ?? null;
    const next = (await insertAttempts(kysely, [build], now, memory)).get(build);
    if (previous !== null && next !== undefined) await linkRestart(kysely, previous.number, next);
  }
  news.ready.push(...(await findReadyBuildsOf(kysely, moved)));
}
