import {
  failDependents,
  findBuildsOfDerivations,
  findFailedInputs,
  findWaitingDependents,
  insertBuilds,
  moveBuilds,
  raisePriority,
  recountDependencies,
} from "../db/build-repository.ts";
import { findReadyBuildsOf } from "../db/ready-build-repository.ts";
import { showBuilds, visibilityOfEvaluation } from "../db/hidden-path-repository.ts";
import { addUnfinishedBuilds, linkBuilds } from "../db/evaluation-build-repository.ts";
import type { Evaluation } from "../db/evaluation-repository.ts";
import type { Change } from "../queue/change.ts";
import { isUnfinishedBuild } from "../scheduler/build-state.ts";
import { sendBackDependents } from "../builds/announcement.ts";
import { countFinished, countReopened, queueReadyBuilds } from "../builds/readiness.ts";
import type { PlannedBuild } from "./plan-builds.ts";
import { tellReused } from "./tell-reused.ts";

export const REOPENED = {
  tries: 0,
  retry_at: null,
  message: null,
  ready_at: null,
  assigned_at: null,
  started_at: null,
  stopped_at: null,
  stored_at: null,
} as const;

/**
 * Brings a slice of a plan about: builds exist, are linked to the evaluation and counted in it, and those that wait for nothing are queued.
 * Builds that failed for an earlier evaluation get another chance. Inputs have to come in the same slice or an earlier one.
 */
export async function applyPlan(
  change: Change,
  evaluation: Evaluation,
  slice: readonly PlannedBuild[],
): Promise<void> {
  const { kysely, now } = change;
  const { organization, priority } = evaluation;
  const derivations = slice.map(({ derivation }) => derivation);
  const existing = await findBuildsOfDerivations(kysely, derivations);
  await insertBuilds(
    kysely,
    organization,
    slice
      .filter(({ derivation }) => !existing.has(derivation))
      .map(({ derivation, height }) => ({ derivation, height, priority })),
    now,
  );
  await reopenBuilds(change, slice, existing);
  await substituteBuilds(change, slice, existing);
  const builds = [...(await findBuildsOfDerivations(kysely, derivations)).values()];
  await raisePriorities(change, [...existing.values()], priority);
  const linked = new Set(
    await linkBuilds(
      kysely,
      evaluation.id,
      builds.map(({ id }) => id),
    ),
  );
  if ((await visibilityOfEvaluation(kysely, evaluation.id)) === "shown") {
    await showBuilds(kysely, organization, [...linked]);
  }
  await tellReused(change, evaluation, slice, existing);
  const unfinished = builds.filter(({ id, state }) => linked.has(id) && isUnfinishedBuild(state));
  await addUnfinishedBuilds(kysely, evaluation.id, unfinished.length);
  const waiting = builds.filter(({ state }) => state === "Created").map(({ id }) => id);
  await queueReadyBuilds(change, await recountDependencies(kysely, waiting));
  await failWithInputs(change, waiting);
}

/** Thaws what failed and is to be tried again, and sends back what was built and has vanished. */
async function reopenBuilds(
  change: Change,
  slice: readonly PlannedBuild[],
  existing: ReadonlyMap<number, { id: number }>,
): Promise<void> {
  const { kysely, now } = change;
  const again = slice.filter(({ reusedAttempt }) => reusedAttempt === null);
  const ids = again.flatMap(({ derivation }) => existing.get(derivation)?.id ?? []);
  const thawed = await moveBuilds(kysely, ids, "thawed", now, REOPENED);
  const gone = slice.filter(({ hasVanished }) => hasVanished);
  const goneIds = gone.flatMap(({ derivation }) => existing.get(derivation)?.id ?? []);
  const vanished = await moveBuilds(kysely, goneIds, "outputs-missing", now, REOPENED);
  await countReopened(change, [...thawed, ...vanished]);
  if (vanished.length === 0) return;
  await sendBackDependents(
    change,
    gone.map(({ derivation }) => derivation),
  );
}

async function substituteBuilds(
  change: Change,
  slice: readonly PlannedBuild[],
  existing: ReadonlyMap<number, { id: number }>,
): Promise<void> {
  const { kysely, now } = change;
  const available = slice
    .filter(({ isAvailable }) => isAvailable)
    .map(({ derivation }) => derivation);
  const builds = await findBuildsOfDerivations(kysely, available);
  const ids = [...builds.values()].map(({ id }) => id);
  const substituted = await moveBuilds(kysely, ids, "substituted", now, { stored_at: now });
  // Thawed ones were counted as reopened for the other evaluations that have them.
  await countFinished(change, substituted);
  const older = available.filter((derivation) => existing.has(derivation));
  const dependents = await findWaitingDependents(kysely, older);
  await queueReadyBuilds(change, await recountDependencies(kysely, dependents));
}

async function raisePriorities(
  change: Change,
  builds: readonly { id: number }[],
  priority: number,
): Promise<void> {
  const ids = builds.map(({ id }) => id);
  const raised = await raisePriority(change.kysely, ids, priority);
  change.news.reordered.push(...(await findReadyBuildsOf(change.kysely, raised)));
}

/** A build that one of its inputs has failed for ends at once. */
async function failWithInputs(change: Change, builds: readonly number[]): Promise<void> {
  const { kysely, now } = change;
  for (const { derivation, drvPath } of await findFailedInputs(kysely, builds)) {
    const message = `dependency /nix/store/${drvPath} failed`;
    await countFinished(change, await failDependents(kysely, derivation, message, now));
  }
}
