import type { EvaluationId } from "@gradient/protocol";
import { setImmediate as nextTurn } from "node:timers/promises";
import { batchesOf } from "../db/batches.ts";
import { findEvaluation } from "../db/evaluation-repository.ts";
import type { Change, ChangeFacts } from "../queue/change.ts";
import { isActiveEvaluation } from "../scheduler/evaluation-state.ts";
import { applyPlan } from "./apply-plan.ts";
import { planBuilds, type PlanReads } from "./plan-builds.ts";

/** So many builds are made in one transaction: about 20 ms. */
const BUILDS_PER_TRANSACTION = 300;

/** What belongs to the same transactions as the builds. */
export interface WantFrame {
  /** Asked first in every transaction: whether to go on. */
  hold?: (change: Change) => Promise<boolean>;
  /** In the first transaction. */
  first?: (change: Change) => Promise<void>;
  /** In the last transaction: when it is committed, everything is. */
  last?: (change: Change) => Promise<void>;
}

/** Thrown inside a transaction to leave it. */
class NotWanted extends Error {
  override name = "NotWanted";
}

/**
 * Makes the derivations and all they need wanted for the evaluation. A large plan is applied slice by slice, with turns for everybody else in between;
 * doing it again goes on where it stopped. False when the evaluation has ended, or when the frame does not hold any more.
 */
export async function wantBuilds(
  options: { reads: PlanReads; changes: ChangeFacts },
  evaluationId: EvaluationId,
  wanted: readonly number[],
  frame: WantFrame = {},
): Promise<boolean> {
  const { reads, changes } = options;
  const plan = await planBuilds(reads, evaluationId, wanted);
  const slices = [...batchesOf(plan, BUILDS_PER_TRANSACTION)];
  const last = Math.max(slices.length, 1) - 1;
  try {
    for (let at = 0; at <= last; at++) {
      if (at > 0) await nextTurn();
      await changes(async (change) => {
        const evaluation = await findEvaluation(change.kysely, evaluationId);
        const isHeld = (await frame.hold?.(change)) ?? true;
        if (evaluation === null || !isActiveEvaluation(evaluation.state) || !isHeld)
          throw new NotWanted();
        if (at === 0) await frame.first?.(change);
        await applyPlan(change, evaluation, slices[at] ?? []);
        if (at === last) await frame.last?.(change);
      });
    }
  } catch (error) {
    if (error instanceof NotWanted) return false;
    throw error;
  }
  return true;
}
