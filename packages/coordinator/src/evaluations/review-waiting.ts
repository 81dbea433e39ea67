import type { OrganizationId } from "@gradient/protocol";
import { findLeasesOfEvaluation } from "../db/assignment-repository.ts";
import { isStorageFull } from "../db/storage-room.ts";
import { hasWorkingCache } from "../db/cache-path-repository.ts";
import {
  findActiveEvaluations,
  moveEvaluation,
  setEvaluationFacts,
  type Evaluation,
} from "../db/evaluation-repository.ts";
import { findDemand } from "../db/evaluation-build-repository.ts";
import { readJsonColumn, stringListSchema } from "../db/json-column.ts";
import type { Change } from "../queue/change.ts";
import { NO_DEMAND } from "../scheduler/demand.ts";
import {
  drainingReason,
  waitingReason,
  type CacheState,
  type EvaluationNeed,
  type FleetMember,
  type WaitingReason,
} from "../scheduler/waiting-reason.ts";

/** Who is connected, and whose builds are stuck for want of a worker. */
export interface FleetView {
  readonly members: readonly FleetMember[];
  /** Organizations with a ready build that no connected worker could take. */
  readonly stuck: ReadonlySet<string>;
  /** Nothing is given out to anybody. */
  readonly isDraining: boolean;
  /** What the NARs of all caches may take; 0 for no limit. */
  readonly maxStorageBytes: number;
}

/** Parks evaluations that nobody can go on with, and wakes those that somebody can. Of one organization, or of all. */
export async function reviewWaiting(
  change: Change,
  fleet: FleetView,
  organization?: string,
): Promise<void> {
  const caches = new Map<string, CacheState>();
  for (const evaluation of await findActiveEvaluations(change.kysely, organization)) {
    let state = caches.get(evaluation.organization);
    if (state === undefined) {
      state = await cacheState(change, evaluation.organization, fleet.maxStorageBytes);
      caches.set(evaluation.organization, state);
    }
    // What it waits for is a person.
    if (evaluation.needsApproval) continue;
    const isStuck = fleet.isDraining || fleet.stuck.has(evaluation.organization);
    const need = await findNeed(change, evaluation, isStuck);
    if (need === null) continue;
    const reason = fleet.isDraining
      ? drainingReason(need)
      : waitingReason(evaluation.organization, need, state, fleet.members);
    if (reason === null) await wake(change, evaluation);
    else await park(change, evaluation, reason);
  }
}

async function cacheState(
  { kysely }: Change,
  organization: OrganizationId,
  maxStorageBytes: number,
): Promise<CacheState> {
  if (!(await hasWorkingCache(kysely, organization))) return "none";
  return (await isStorageFull(kysely, organization, maxStorageBytes)) ? "full" : "ready";
}

/** Null while somebody is on it. */
async function findNeed(
  change: Change,
  evaluation: Evaluation,
  isStuck: boolean,
): Promise<EvaluationNeed | null> {
  const { kysely } = change;
  if (!evaluation.isEvaluated) {
    const leases = await findLeasesOfEvaluation(kysely, evaluation.id);
    if (leases.length > 0) return null;
    if (evaluation.source === null) return { phase: "fetch" };
    return { phase: "eval", overridesInputs: evaluation.inputOverrides.length > 0 };
  }
  // Counting its builds takes long for a large evaluation, and mostly nothing is stuck.
  if (!isStuck && evaluation.state !== "Waiting") return null;
  const { queued, running } = await findDemand(kysely, evaluation.id);
  const builds = queued.map(({ system, requiredFeaturesJson, memoryBytes, count }) => ({
    system,
    demand: { ...NO_DEMAND, exactMemoryBytes: memoryBytes },
    requiredFeatures: readJsonColumn(stringListSchema, requiredFeaturesJson),
    count,
  }));
  return { phase: "building", builds, hasRunning: running > 0 };
}

async function park(change: Change, evaluation: Evaluation, reason: WaitingReason): Promise<void> {
  const { kysely, now, news } = change;
  const waiting_reason_json = JSON.stringify(reason);
  if (evaluation.state === "Waiting") {
    if (evaluation.waitingReasonJson !== waiting_reason_json) {
      await setEvaluationFacts(kysely, evaluation.id, now, { waiting_reason_json });
    }
    return;
  }
  await moveEvaluation(kysely, evaluation.id, "blocked", now, { waiting_reason_json });
  news.closed.add(evaluation.id);
}

async function wake(change: Change, evaluation: Evaluation): Promise<void> {
  if (evaluation.state !== "Waiting") return;
  const { kysely, now, news } = change;
  const event = evaluation.isEvaluated ? "unblocked-while-building" : "unblocked-before-building";
  await moveEvaluation(kysely, evaluation.id, event, now, { waiting_reason_json: null });
  if (!evaluation.isEvaluated) news.tasks.add(evaluation.id);
}
