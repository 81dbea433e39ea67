import type { AttemptState } from "./attempt-state.ts";
import type { BuildState } from "./build-state.ts";

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
