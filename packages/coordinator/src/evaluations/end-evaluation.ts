import { markDeserted, withdrawAttempts } from "../db/attempt-repository.ts";
import {
  deleteLease,
  findLeasesOfBuilds,
  findLeasesOfEvaluation,
  type Lease,
} from "../db/assignment-repository.ts";
import { findBuildsOnlyOf, moveBuilds } from "../db/build-repository.ts";
import { findEvaluation, moveEvaluation } from "../db/evaluation-repository.ts";
import { hasFailedBuild } from "../db/evaluation-build-repository.ts";
import { hasFailedJob, insertMessages } from "../db/job-repository.ts";
import type { Change } from "../queue/change.ts";
import { attemptTransitions } from "../scheduler/attempt-state.ts";

/** What becomes of builds that run and that nobody else needs: they are ended, or they finish and what they bring is kept. */
export type RunningBuilds = "end" | "finish";

/** Ends an active evaluation before its time, and with it everything that no other active evaluation needs. False when it had ended already. */
export async function cutEvaluation(
  change: Change,
  evaluationId: string,
  event: "failed" | "aborted",
  reason: string,
  running: RunningBuilds = "end",
  end: "withdrawn" | "deserted" = "withdrawn",
): Promise<boolean> {
  const { kysely, now, news } = change;
  const details = { finished_at: now, waiting_reason_json: null };
  if (!(await moveEvaluation(kysely, evaluationId, event, now, details))) return false;
  news.closed.add(evaluationId);
  await recallLeases(change, await findLeasesOfEvaluation(kysely, evaluationId), reason);
  const builds = await findBuildsOnlyOf(kysely, evaluationId, running === "end");
  // Before the builds move, so that every build that is being offered or runs is found.
  const leases = await findLeasesOfBuilds(kysely, builds);
  await recallLeases(change, leases, reason);
  if (end === "deserted") await noteDeserted(change, leases);
  await moveBuilds(kysely, builds, "aborted", now, { message: reason, retry_at: null });
  const withdrawn = await withdrawAttempts(kysely, builds, reason, now, end);
  news.withdrawn.push(...withdrawn);
  news.ended.push(...withdrawn);
  const status = attemptTransitions.pending[end];
  if (status !== undefined) news.outcomes.push(...withdrawn.map(() => status));
  return true;
}

/** What runs ends with its result, which then is not a mere cancellation. */
async function noteDeserted({ kysely }: Change, leases: readonly Lease[]): Promise<void> {
  for (const { attempt } of leases) if (attempt !== null) await markDeserted(kysely, attempt);
}

/** Ends an active evaluation for a reason that no further try can mend. */
export async function failEvaluation(
  change: Change,
  evaluationId: string,
  reason: string,
): Promise<void> {
  await insertMessages(change.kysely, evaluationId, [{ level: "Error", text: reason }], change.now);
  await cutEvaluation(change, evaluationId, "failed", reason);
}

/** What runs is asked to stop and keeps its lease until its result says how far it came; what is only offered is taken back. */
async function recallLeases(
  change: Change,
  leases: readonly Lease[],
  reason: string,
): Promise<void> {
  for (const lease of leases) {
    change.news.cancelled.push({ lease, reason });
    if (lease.state === "accepted") continue;
    await deleteLease(change.kysely, lease.fencing);
    change.news.released.push(lease.fencing);
  }
}

/** Ends the evaluations whose last build ended in this transaction. The last step of every transaction. */
export async function settleEvaluations(change: Change): Promise<void> {
  const { kysely, now, news } = change;
  for (const id of news.settled) {
    const evaluation = await findEvaluation(kysely, id);
    if (evaluation === null || !evaluation.isEvaluated || evaluation.unfinishedBuilds > 0) continue;
    if (evaluation.state === "Waiting")
      await moveEvaluation(kysely, id, "unblocked-while-building", now);
    const hasFailed = (await hasFailedJob(kysely, id)) || (await hasFailedBuild(kysely, id));
    const details = { finished_at: now, waiting_reason_json: null };
    await moveEvaluation(kysely, id, hasFailed ? "failed" : "completed", now, details);
    news.closed.add(id);
  }
}
