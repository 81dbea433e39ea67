import type { TransitionTable } from "./transition.ts";

/**
 * States of a build (contract: Gradient's build states).
 *
 * Created            waits for its inputs; `unmet_dependencies` says for how many
 * Queued             every input is in a cache; an attempt is pending
 * Building           a worker has accepted the attempt; with `is_announced` its outputs are built, and dependents wait no longer
 * Completed          its outputs are visible in the organization's caches
 * Substituted        its outputs were there without a build
 * FailedTransient    the last attempt came to no verdict; another one follows at `retry_at`
 * FailedPermanent, FailedTimeout, DependencyFailed, Aborted
 *                    ended; left only when a new evaluation asks for the build ("thaw")
 *
 * Completed and Substituted are left only when the outputs have vanished from every cache of the organization.
 */
export const BUILD_STATES = [
  "Created",
  "Queued",
  "Building",
  "Completed",
  "Substituted",
  "FailedPermanent",
  "FailedTransient",
  "FailedTimeout",
  "DependencyFailed",
  "Aborted",
] as const;
export type BuildState = (typeof BUILD_STATES)[number];

export type BuildEvent =
  | "ready"
  | "accepted"
  | "substituted"
  | "built"
  | "failed"
  | "timed-out"
  | "inconclusive"
  | "retried"
  | "given-up"
  | "refused"
  | "inputs-missing"
  | "outputs-missing"
  | "dependency-failed"
  | "aborted"
  | "thawed";

export const buildTransitions: TransitionTable<BuildState, BuildEvent> = {
  Created: {
    ready: "Queued",
    substituted: "Substituted",
    "dependency-failed": "DependencyFailed",
    aborted: "Aborted",
  },
  Queued: {
    accepted: "Building",
    refused: "FailedPermanent",
    "inputs-missing": "Created",
    aborted: "Aborted",
  },
  Building: {
    built: "Completed",
    failed: "FailedPermanent",
    "timed-out": "FailedTimeout",
    inconclusive: "FailedTransient",
    "inputs-missing": "Created",
    aborted: "Aborted",
  },
  FailedTransient: {
    retried: "Queued",
    "given-up": "FailedPermanent",
    "inputs-missing": "Created",
    aborted: "Aborted",
  },
  Completed: { "outputs-missing": "Created" },
  Substituted: { "outputs-missing": "Created" },
  FailedPermanent: { thawed: "Created" },
  FailedTimeout: { thawed: "Created" },
  DependencyFailed: { thawed: "Created" },
  Aborted: { thawed: "Created" },
};

/** States in which somebody still has to do something for the build. */
export const UNFINISHED_BUILD_STATES = [
  "Created",
  "Queued",
  "Building",
  "FailedTransient",
] as const satisfies BuildState[];
/** States in which the outputs are there. */
export const SUCCESSFUL_BUILD_STATES = ["Completed", "Substituted"] as const satisfies BuildState[];
/** End states without outputs. */
export const FAILED_BUILD_STATES = [
  "FailedPermanent",
  "FailedTimeout",
  "DependencyFailed",
  "Aborted",
] as const satisfies BuildState[];

/** Whether a text, such as a row's, is one of the states. */
export function isBuildState(text: string): text is BuildState {
  return BUILD_STATES.some((state) => state === text);
}

/** Also one that waits to be tried again. */
export function isUnfinishedBuild(state: BuildState): boolean {
  return UNFINISHED_BUILD_STATES.some((unfinished) => unfinished === state);
}

/** Its outputs are there, built or found. */
export function isSuccessfulBuild(state: BuildState): boolean {
  return SUCCESSFUL_BUILD_STATES.some((successful) => successful === state);
}
