import { deleteLease, findLease, isAhead, type Lease } from "../db/assignment-repository.ts";
import { endAttempt, findAttemptedBuild } from "../db/attempt-repository.ts";
import { findReadyBuildsOf } from "../db/ready-build-repository.ts";
import { findEvaluation } from "../db/evaluation-repository.ts";
import { postponeBuild, type RetryPolicy } from "../builds/verdict.ts";
import { takeFailure } from "../evaluations/take-results.ts";
import { isActiveEvaluation } from "../scheduler/evaluation-state.ts";
import type { Change } from "./change.ts";

/** Takes an offer back that was not accepted: what was offered is in the queue again as if nothing had happened. */
export async function withdrawOffer(change: Change, lease: Lease): Promise<void> {
  const { kysely, news } = change;
  news.released.push(lease.fencing);
  if (!(await deleteLease(kysely, lease.fencing))) return;
  // Nobody waits for the worker's answer, so it may wait for the input.
  if (isAhead(lease)) news.cancelled.push({ lease, reason: "the offer was withdrawn" });
  if (lease.evaluation !== null) news.tasks.add(lease.evaluation);
  if (lease.attempt === null) return;
  const attempted = await findAttemptedBuild(kysely, lease.attempt);
  if (attempted !== null)
    news.ready.push(...(await findReadyBuildsOf(kysely, [attempted.build.id])));
}

/**
 * Ends a lease whose worker is gone, or does not know of it. The attempt ends as an internal error that names the worker,
 * and exactly one new attempt takes its place; a fetch or an evaluation is given out again.
 */
export async function loseLease(
  change: Change,
  lease: Lease,
  reason: string,
  retries: RetryPolicy,
): Promise<void> {
  const { kysely, news } = change;
  const held = await findLease(kysely, lease.fencing, lease.worker);
  news.released.push(lease.fencing);
  if (held === null) return;
  if (held.state === "offered") {
    await withdrawOffer(change, held);
    return;
  }
  await deleteLease(kysely, lease.fencing);
  if (held.attempt !== null) await loseAttempt(change, held.attempt, reason, retries);
  if (held.evaluation === null) return;
  const evaluation = await findEvaluation(kysely, held.evaluation);
  if (evaluation === null || !isActiveEvaluation(evaluation.state)) return;
  const what = held.kind === "fetch" ? "fetch" : "evaluation";
  const failure = { message: reason, isTransient: true, isInterruption: true };
  await takeFailure(change, evaluation, what, failure, retries);
}

async function loseAttempt(
  change: Change,
  attempt: number,
  reason: string,
  retries: RetryPolicy,
): Promise<void> {
  const { kysely, now, news } = change;
  const attempted = await findAttemptedBuild(kysely, attempt);
  if (attempted === null) return;
  await endAttempt(kysely, attempt, {
    status: "internal_error",
    message: reason,
    startedAt: null,
    stoppedAt: now,
    storedAt: null,
    usage: null,
    outputs: null,
  });
  news.ended.push(attempt);
  news.outcomes.push("internal_error");
  if (!attempted.isNewest) return;
  const end = { drvPath: attempted.drvPath, message: reason, startedAt: null, stoppedAt: now };
  await postponeBuild(change, attempted.build, end, retries, "at-once");
}
