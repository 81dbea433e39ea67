import { findAttemptedBuild, withdrawAttempts } from "../db/attempt-repository.ts";
import {
  countDependencyMet,
  findWaitingDependents,
  moveBuilds,
  recountDependencies,
  setAnnounced,
  type Build,
} from "../db/build-repository.ts";
import type { Lease } from "../db/assignment-repository.ts";
import type { Change } from "../queue/change.ts";
import { queueReadyBuilds } from "./readiness.ts";

/**
 * A running attempt has built all its outputs, which are uploaded (`everywhere`) or that only its worker has (`local`): dependents do not wait for what is missing.
 * Nothing is shown yet: the build is Building until its result has been verified. Saying it again changes nothing.
 */
export async function announceOutputs(
  change: Change,
  { attempt, fencing, worker }: Pick<Lease, "attempt" | "fencing" | "worker">,
  place: "local" | "everywhere",
): Promise<void> {
  const attempted = attempt === null ? null : await findAttemptedBuild(change.kysely, attempt);
  if (attempted?.isNewest !== true) return;
  const { id, derivation } = attempted.build;
  if (!(await setAnnounced(change.kysely, id, true))) return;
  const { waiting, ready } = await countDependencyMet(change.kysely, derivation);
  if (place === "local") change.news.local.push({ fencing, worker, users: waiting });
  await queueReadyBuilds(change, ready);
}

/** The outputs will not be shown by this attempt after all: dependents that have not begun wait again. */
export async function retractOutputs(change: Change, build: Build): Promise<void> {
  if (!build.isAnnounced || !(await setAnnounced(change.kysely, build.id, false))) return;
  await sendBackDependents(change, [build.derivation]);
}

/** Dependents that have not begun wait for their inputs again. */
export async function sendBackDependents(
  change: Change,
  derivations: readonly number[],
): Promise<void> {
  const { kysely, now, news } = change;
  const dependents = await findWaitingDependents(kysely, derivations);
  const sentBack = await moveBuilds(kysely, dependents, "inputs-missing", now, {
    ready_at: null,
    retry_at: null,
  });
  const message = "an input has to be built again";
  const withdrawn = await withdrawAttempts(kysely, sentBack, message, now);
  news.withdrawn.push(...withdrawn);
  news.ended.push(...withdrawn);
  news.outcomes.push(...withdrawn.map(() => "cancelled" as const));
  await recountDependencies(kysely, dependents);
}
