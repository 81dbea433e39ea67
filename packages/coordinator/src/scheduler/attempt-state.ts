import type { BuildOutcome } from "@gradient/protocol";
import type { BuildEvent } from "./build-state.ts";
import type { TransitionTable } from "./transition.ts";

/**
 * States of an attempt: the words of nixbuild.net's API (contract: status values). `pending` from the moment its build is ready,
 * `running` from a worker's acceptance, then exactly one end state that never changes.
 */
export const ATTEMPT_STATES = [
  "pending",
  "running",
  "built",
  "build_failed",
  "cancelled",
  "timeout",
  "max_memory_exceeded",
  "out_of_memory",
  "client_disconnect",
  "client_error",
  "internal_error",
] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];

/** What may end an attempt: a worker's outcome, or the coordinator itself. */
export type AttemptEvent =
  | "accepted"
  | "withdrawn"
  | "lost"
  | "refused"
  /** Its client has gone. */
  | "deserted"
  /** It asks for more than any worker has. */
  | "impossible"
  /** Out of memory, and no worker could give more. */
  | "memory-exceeded"
  | BuildOutcome;

const running = {
  built: "built",
  build_failed: "build_failed",
  timeout: "timeout",
  out_of_memory: "out_of_memory",
  "memory-exceeded": "max_memory_exceeded",
  cancelled: "cancelled",
  client_error: "client_error",
  internal_error: "internal_error",
  lost: "internal_error",
  refused: "internal_error",
  deserted: "client_disconnect",
} as const;

export const attemptTransitions: TransitionTable<AttemptState, AttemptEvent> = {
  pending: {
    accepted: "running",
    withdrawn: "cancelled",
    deserted: "client_disconnect",
    impossible: "client_error",
  },
  running,
  built: {},
  build_failed: {},
  cancelled: {},
  timeout: {},
  max_memory_exceeded: {},
  out_of_memory: {},
  client_disconnect: {},
  client_error: {},
  internal_error: {},
};

/** What the end of an attempt means for its build, unless it can have more memory. A cancelled attempt whose build was not aborted came to no verdict: its worker was stopped. */
export const buildEventOfOutcome: Readonly<Record<BuildOutcome, BuildEvent>> = {
  built: "built",
  build_failed: "failed",
  timeout: "timed-out",
  out_of_memory: "failed",
  cancelled: "inconclusive",
  client_error: "failed",
  internal_error: "inconclusive",
};

/** Whether a text, such as a row's or a query's, is one of the states. */
export function isAttemptState(text: string): text is AttemptState {
  return ATTEMPT_STATES.some((state) => state === text);
}

/** It never changes again, and its log is complete. */
export function isEndedAttempt(state: AttemptState): boolean {
  return state !== "pending" && state !== "running";
}
