import type { AttemptState } from "../scheduler/attempt-state.ts";

/** How many attempts came to which end since the start. */
export class EndedAttempts {
  readonly #counts = new Map<string, number>();

  /** By end state. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** After their transaction was committed. */
  note(outcomes: readonly AttemptState[]): void {
    for (const outcome of outcomes) {
      this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    }
  }
}
