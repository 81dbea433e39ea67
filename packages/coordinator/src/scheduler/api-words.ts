import type { AttemptState } from "./attempt-state.ts";
import type { BuildState } from "./build-state.ts";
import type { EvaluationState } from "./evaluation-state.ts";

/**
 * The one place where states become the words of the APIs. A word depends on the pair (build's state, last attempt's state);
 * each API has its column here.
 */
export interface BuildWords {
  /** Gradient's BuildStatus. */
  gradient: GradientBuildStatus;
  /** Why, where the status alone does not tell. */
  reason: string | null;
  /** Cuirass's build status. */
  cuirass: CuirassBuildStatus;
}

/** Cuirass's numbers: submitted, scheduled, started; succeeded, failed, failed dependency, failed otherwise, cancelled. Nothing of ours is submitted. */
export type CuirassBuildStatus = -3 | -2 | -1 | 0 | 1 | 2 | 3 | 4;

const CUIRASS: Readonly<Record<BuildState, CuirassBuildStatus>> = {
  Created: -2,
  Queued: -2,
  FailedTransient: -2,
  Building: -1,
  Completed: 0,
  Substituted: 0,
  FailedPermanent: 1,
  DependencyFailed: 2,
  FailedTimeout: 3,
  Aborted: 4,
};

/** Cuirass's words for them in searches. */
export const CUIRASS_STATUS_WORDS: Readonly<Partial<Record<string, CuirassBuildStatus>>> = {
  success: 0,
  failed: 1,
  "failed-dependency": 2,
  "failed-other": 3,
  canceled: 4,
};

/** A failure that the builder did not decide. */
const FAILED_OTHERWISE: Partial<Record<AttemptState, CuirassBuildStatus>> = {
  timeout: 3,
  max_memory_exceeded: 3,
  out_of_memory: 3,
  client_disconnect: 3,
  client_error: 3,
  internal_error: 3,
};

/** Created is internal and shown as Queued (contract: Gradient's build statuses). */
export type GradientBuildStatus = Exclude<BuildState, "Created">;

const REASONS: Partial<Record<AttemptState, string>> = {
  max_memory_exceeded: "out of memory",
  client_error: "the derivation cannot be built as it is",
  client_disconnect: "the client went away",
};

/** `attempt` is the state of the build's newest attempt; null when there never was one. */
export function buildWords(build: BuildState, attempt: AttemptState | null): BuildWords {
  const gradient = build === "Created" ? "Queued" : build;
  const reason =
    build === "FailedPermanent" && attempt !== null ? (REASONS[attempt] ?? null) : null;
  const failure = attempt === null ? undefined : FAILED_OTHERWISE[attempt];
  const cuirass = build === "FailedPermanent" ? (failure ?? CUIRASS[build]) : CUIRASS[build];
  return { gradient, reason, cuirass };
}

/** Cuirass's evaluation status: started, succeeded (its jobs are known, whatever becomes of the builds), failed, aborted. */
export type CuirassEvaluationStatus = -1 | 0 | 1 | 2;

/** `isEvaluated`: the evaluation itself is over. `hasJobs`: some attribute has a derivation. */
export function cuirassEvaluationStatus(
  state: EvaluationState,
  { isEvaluated, hasJobs }: { isEvaluated: boolean; hasJobs: boolean },
): CuirassEvaluationStatus {
  switch (state) {
    case "Queued":
    case "Fetching":
    case "EvaluatingFlake":
    case "EvaluatingDerivation":
      return -1;
    case "Waiting":
      return isEvaluated ? 0 : -1;
    case "Building":
    case "Completed":
      return 0;
    case "Failed":
      return hasJobs ? 0 : 1;
    case "Aborted":
      return hasJobs ? 0 : 2;
  }
}

/** Numbers of Gradient's words, as its live frames have them (contract: enumerations). */
const EVALUATION_NUMBERS: Readonly<Record<EvaluationState, number>> = {
  Queued: 0,
  EvaluatingFlake: 1,
  EvaluatingDerivation: 2,
  Building: 3,
  Waiting: 4,
  Completed: 5,
  Failed: 6,
  Aborted: 7,
  Fetching: 8,
};

const BUILD_NUMBERS: Readonly<Record<GradientBuildStatus, number>> = {
  Queued: 1,
  Building: 2,
  Completed: 3,
  FailedPermanent: 4,
  Aborted: 5,
  DependencyFailed: 6,
  Substituted: 7,
  FailedTransient: 8,
  FailedTimeout: 9,
};

/** As the frames of the live sockets have it (Gradient's enumerations). */
export function evaluationNumber(state: EvaluationState): number {
  return EVALUATION_NUMBERS[state];
}

/** As the frames of the live sockets have it (Gradient's enumerations); Created counts as Queued. */
export function buildNumber(state: BuildState): number {
  return BUILD_NUMBERS[buildWords(state, null).gradient];
}
