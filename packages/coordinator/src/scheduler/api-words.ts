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
}

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
  return { gradient, reason };
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

export function evaluationNumber(state: EvaluationState): number {
  return EVALUATION_NUMBERS[state];
}

export function buildNumber(state: BuildState): number {
  return BUILD_NUMBERS[buildWords(state, null).gradient];
}
