import {
  acceptLease,
  deleteLease,
  isAhead,
  type Answer,
  type Lease,
} from "../db/assignment-repository.ts";
import { findAttemptedBuild, setAllocation, startAttempt } from "../db/attempt-repository.ts";
import { moveBuilds } from "../db/build-repository.ts";
import { deleteDelivered } from "../db/job-repository.ts";
import { findEvaluation, moveEvaluation, setEvaluationFacts } from "../db/evaluation-repository.ts";
import { buildTransitions } from "../scheduler/build-state.ts";
import { evaluationTransitions } from "../scheduler/evaluation-state.ts";
import { transit } from "../scheduler/transition.ts";
import type { AheadOffers } from "./ahead-offers.ts";
import { ACCEPTED, refused } from "./answer.ts";
import type { Change } from "./change.ts";

export interface AcceptOptions {
  readonly leaseMs: number;
  readonly ahead: AheadOffers;
}

/** Makes a lease of an offer: the attempt runs, the build or the evaluation says so. Refused, and the offer gone, when nobody wants it any more. */
export async function acceptOffer(
  change: Change,
  offered: Lease,
  { leaseMs, ahead }: AcceptOptions,
): Promise<Answer> {
  const { kysely, now, news } = change;
  const { fencing } = offered;
  const lease = await acceptLease(kysely, offered, now + leaseMs);
  if (lease === null) {
    news.released.push(fencing);
    return refused("the offer was withdrawn");
  }
  const answer = await start(change, lease);
  if (answer.isAccepted) {
    news.accepted.push(lease);
    const grant = ahead.grantOf(fencing);
    if (grant !== null && lease.attempt !== null) await setAllocation(kysely, lease.attempt, grant);
  } else {
    await deleteLease(kysely, fencing);
    news.released.push(fencing);
  }
  return answer;
}

async function start(change: Change, lease: Lease): Promise<Answer> {
  // Signatures are wanted as long as the path is there, bytes as long as there is the lease, and nothing has to be said of them.
  if (lease.kind === "sign" || lease.kind === "restore") return ACCEPTED;
  if (isAhead(lease)) return refused("what it needs is not built");
  return lease.attempt === null
    ? startTask(change, lease)
    : startBuild(change, lease, lease.attempt);
}

async function startBuild(change: Change, lease: Lease, attempt: number): Promise<Answer> {
  const { kysely, now } = change;
  const attempted = await findAttemptedBuild(kysely, attempt);
  if (attempted === null) return refused(`attempt ${attempt} does not exist any more`);
  const { id, state } = attempted.build;
  const step = transit(buildTransitions, `build ${id}`, state, "accepted");
  if (!step.isAllowed) return refused(step.reason);
  if (!(await startAttempt(kysely, attempt, lease.worker, lease.fencing, now))) {
    return refused(`attempt ${attempt} is not pending any more`);
  }
  await moveBuilds(kysely, [id], "accepted", now, { assigned_at: now, is_announced: 0 });
  return ACCEPTED;
}

async function startTask(change: Change, lease: Lease): Promise<Answer> {
  const { kysely, now } = change;
  const evaluation =
    lease.evaluation === null ? null : await findEvaluation(kysely, lease.evaluation);
  if (evaluation === null) return refused("the evaluation does not exist any more");
  const event = lease.kind === "fetch" ? "fetch-accepted" : "eval-accepted";
  const step = transit(
    evaluationTransitions,
    `evaluation ${evaluation.id}`,
    evaluation.state,
    event,
  );
  if (!step.isAllowed) return refused(step.reason);
  await moveEvaluation(kysely, evaluation.id, event, now);
  // What an evaluation that was lost on the way has delivered comes again.
  if (lease.kind === "eval") await deleteDelivered(kysely, evaluation.id);
  const started = lease.kind === "fetch" ? { fetch_started_at: now } : { eval_started_at: now };
  await setEvaluationFacts(kysely, evaluation.id, now, started);
  return ACCEPTED;
}
