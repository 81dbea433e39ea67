import type { TransitionTable } from "./transition.ts";

/**
 * States of an evaluation (contract: Gradient's evaluation states). A project that is no flake passes through the same names.
 *
 * Queued                 waits for a worker that fetches or, when the source is there, evaluates
 * Fetching               a worker fetches, or has fetched and the evaluation is not given out yet
 * EvaluatingFlake        a worker evaluates and nothing came out so far
 * EvaluatingDerivation   attributes come out; their builds start at once
 * Building               the evaluation itself is over, builds are not
 * Waiting                nobody can go on, or nobody has allowed it; the waiting reason says what has to happen
 * Completed              every job has a derivation and every build succeeded
 * Failed                 anything else that came to its end
 * Aborted                somebody ended it
 *
 * An ended evaluation is left only when somebody asks for its failed builds again.
 */
export const EVALUATION_STATES = [
  "Queued",
  "Fetching",
  "EvaluatingFlake",
  "EvaluatingDerivation",
  "Building",
  "Waiting",
  "Completed",
  "Failed",
  "Aborted",
] as const;
export type EvaluationState = (typeof EVALUATION_STATES)[number];

export type EvaluationEvent =
  | "fetch-accepted"
  | "eval-accepted"
  | "job-delivered"
  | "given-back"
  | "evaluated"
  | "blocked"
  | "unblocked-before-building"
  | "unblocked-while-building"
  | "completed"
  | "failed"
  | "aborted"
  | "restarted";

export const evaluationTransitions: TransitionTable<EvaluationState, EvaluationEvent> = {
  Queued: {
    "fetch-accepted": "Fetching",
    "eval-accepted": "EvaluatingFlake",
    blocked: "Waiting",
    failed: "Failed",
    aborted: "Aborted",
  },
  Fetching: {
    "eval-accepted": "EvaluatingFlake",
    "given-back": "Queued",
    blocked: "Waiting",
    failed: "Failed",
    aborted: "Aborted",
  },
  EvaluatingFlake: {
    "job-delivered": "EvaluatingDerivation",
    "given-back": "Queued",
    evaluated: "Building",
    failed: "Failed",
    aborted: "Aborted",
  },
  EvaluatingDerivation: {
    "job-delivered": "EvaluatingDerivation",
    "given-back": "Queued",
    evaluated: "Building",
    failed: "Failed",
    aborted: "Aborted",
  },
  Building: {
    blocked: "Waiting",
    completed: "Completed",
    failed: "Failed",
    aborted: "Aborted",
  },
  Waiting: {
    "unblocked-before-building": "Queued",
    "unblocked-while-building": "Building",
    failed: "Failed",
    aborted: "Aborted",
  },
  Completed: {},
  Failed: { restarted: "Building" },
  Aborted: { restarted: "Building" },
};

export const ENDED_EVALUATION_STATES = [
  "Completed",
  "Failed",
  "Aborted",
] as const satisfies EvaluationState[];

/** Whether a text, such as a row's, is one of the states. */
export function isEvaluationState(text: string): text is EvaluationState {
  return EVALUATION_STATES.some((state) => state === text);
}

/** Also one that waits for workers, for room or for approval. */
export function isActiveEvaluation(state: EvaluationState): boolean {
  return !ENDED_EVALUATION_STATES.some((ended) => ended === state);
}
