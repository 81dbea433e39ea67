import type { EvaluationId } from "@gradient/protocol";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { BuildReads } from "../db/build-reads.ts";
import type { DerivationReads } from "../db/derivation-repository.ts";
import { UnavailableError } from "../errors.ts";
import { isSuccessfulBuild, isUnfinishedBuild } from "../scheduler/build-state.ts";
import type { DecideAvailability } from "./availability.ts";

/** A derivation that an evaluation needs, as it was found. */
export interface PlannedBuild {
  readonly derivation: number;
  readonly isAvailable: boolean;
  /** It had been built or substituted, and its outputs are gone. */
  readonly hasVanished: boolean;
  /** The failed attempt because of which it is not built again, by the evaluation's settings; else null. */
  readonly reusedAttempt: number | null;
  /** Length of the longest chain of planned builds that wait for it. */
  readonly height: number;
}

export interface PlanReads {
  readonly derivations: DerivationReads;
  readonly builds: BuildReads;
  readonly decideAvailability: DecideAvailability;
}

interface Visit {
  readonly derivation: number;
  readonly isAvailable: boolean;
  readonly hasVanished: boolean;
  readonly reusedAttempt: number | null;
  readonly inputs: readonly number[];
}

/** So many derivations are looked at before other work gets its turn: about 5 ms. */
const VISITS_PER_TURN = 200;

/**
 * What has to be built or linked so that the wanted derivations come about, inputs before what uses them.
 * A derivation that is available makes nothing else wanted. What the evaluation has already, it is not asked for again.
 * Reads what is committed; whatever changes meanwhile is seen when the plan is applied.
 */
export async function planBuilds(
  reads: PlanReads,
  evaluation: EvaluationId,
  wanted: readonly number[],
): Promise<PlannedBuild[]> {
  const order: Visit[] = [];
  const seen = new Set<number>();
  const open: { visit: Visit; next: number }[] = [];
  const enter = async (derivation: number): Promise<void> => {
    if (seen.has(derivation)) return;
    seen.add(derivation);
    if (seen.size % VISITS_PER_TURN === 0) await nextTurn();
    const visit = await look(reads, evaluation, derivation);
    if (visit !== null) open.push({ visit, next: 0 });
  };
  for (const root of wanted) {
    await enter(root);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const input = top.visit.inputs[top.next++];
      if (input !== undefined) {
        await enter(input);
      } else {
        order.push(top.visit);
        open.pop();
      }
    }
  }
  return withHeights(order);
}

/** Null when the evaluation has the build already and everything below it. */
async function look(
  reads: PlanReads,
  evaluation: EvaluationId,
  derivation: number,
): Promise<Visit | null> {
  const build = reads.builds.ofDerivation(derivation);
  const isLinked = build !== null && reads.builds.isLinked(evaluation, build.id);
  if (build !== null && isUnfinishedBuild(build.state)) {
    if (isLinked) return null;
    const inputs = build.state === "Created" ? reads.derivations.inputs(derivation) : [];
    return { derivation, isAvailable: false, hasVanished: false, reusedAttempt: null, inputs };
  }
  const isSuccessful = build !== null && isSuccessfulBuild(build.state);
  // A build that failed in this evaluation stays failed in it.
  if (isLinked && !isSuccessful) return null;
  const availability = await reads.decideAvailability(derivation);
  if (availability === "unknown") {
    throw new UnavailableError(
      `no cache could say whether it has the outputs of derivation ${derivation}`,
    );
  }
  const isAvailable = availability === "have";
  if (isAvailable && isLinked) return null;
  const hasFailed = build !== null && !isSuccessful && !isAvailable;
  const reusedAttempt = hasFailed ? reads.builds.reusedFailure(evaluation, build.id) : null;
  const isBuilt = !isAvailable && reusedAttempt === null;
  const inputs = isBuilt ? reads.derivations.inputs(derivation) : [];
  const hasVanished = isSuccessful && !isAvailable;
  return { derivation, isAvailable, hasVanished, reusedAttempt, inputs };
}

/** `order` has inputs first, so that walking it backwards meets every dependent before its inputs. */
function withHeights(order: readonly Visit[]): PlannedBuild[] {
  const heights = new Map<number, number>();
  for (const { derivation, inputs } of order.toReversed()) {
    const above = (heights.get(derivation) ?? 0) + 1;
    for (const input of inputs) heights.set(input, Math.max(heights.get(input) ?? 0, above));
  }
  return order.map(({ derivation, isAvailable, hasVanished, reusedAttempt }) => ({
    derivation,
    isAvailable,
    hasVanished,
    reusedAttempt,
    height: heights.get(derivation) ?? 0,
  }));
}
