import { z } from "zod";
import { EVALUATION_STATES, type EvaluationState } from "../../../../scheduler/evaluation-state.ts";

export const evaluationStatus = z.enum(EVALUATION_STATES);

/** The state in a row. What this release wrote always fits; anything else is a damaged database. */
export function readEvaluationStatus<T extends string | null>(
  state: T,
): T extends null ? EvaluationState | null : EvaluationState;
export function readEvaluationStatus(state: string | null): EvaluationState | null {
  return state === null ? null : evaluationStatus.parse(state);
}
