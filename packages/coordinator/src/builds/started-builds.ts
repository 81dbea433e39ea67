import type { Clock } from "../clock.ts";
import { markStarted } from "../db/attempt-repository.ts";
import type { Background } from "../queue/background.ts";
import type { ChangeFacts } from "../queue/change.ts";

/** A build that is done within this time says with its result when it started. */
const DELAY_MS = 250;

/** Notes when builds started, for those who watch. Many in one transaction, and none for builds that are over in a moment. */
export class StartedBuilds {
  readonly #changes: ChangeFacts;
  readonly #clock: Clock;
  readonly #background: Background;
  /** When each attempt started, milliseconds since the epoch. */
  readonly #noted = new Map<number, number>();
  #isAwaited = false;

  constructor(options: { changes: ChangeFacts; clock: Clock; background: Background }) {
    this.#changes = options.changes;
    this.#clock = options.clock;
    this.#background = options.background;
  }

  /** From now on it counts as started; the database has it some moments later, unless the build is over by then. */
  add(attempt: number): void {
    this.#noted.set(attempt, this.#clock.now());
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    this.#clock.after(DELAY_MS, () => {
      this.#isAwaited = false;
      if (this.#noted.size > 0) this.#background.run("start of builds", () => this.#write());
    });
  }

  /** Its result is there. */
  remove(attempt: number): void {
    this.#noted.delete(attempt);
  }

  async #write(): Promise<void> {
    const noted = [...this.#noted];
    this.#noted.clear();
    await this.#changes(async ({ kysely }) => {
      for (const [attempt, startedAt] of noted) await markStarted(kysely, attempt, startedAt);
    });
  }
}
