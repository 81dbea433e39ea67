import { setTimeout } from "node:timers/promises";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import {
  findDueEvaluation,
  insertDerivationClosures,
  insertEvaluationClosures,
} from "../db/closure-size-repository.ts";
import type { Logger } from "../logger.ts";
import { Rounds } from "../rounds.ts";
import { countInThread } from "./count-in-thread.ts";

/** One evaluation in each: those that an upgrade finds may be thousands, and each one costs a thread. */
const ROUND_MS = 10_000;
/** Between transactions of a millisecond: an evaluation may have a thousand of them. */
const PAUSE_MS = 20;
/** The thread takes a tenth of a second of CPU time before it counts: while workers work, an evaluation waits for so long. */
const BUSY_WAIT_MS = 60_000;

/** Counts how large the closures are of evaluations that ended well, one after the other. Those of derivations are counted once. */
export class ClosureRounds implements AsyncDisposable {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #isBusy: () => boolean;
  readonly #rounds: Rounds;
  readonly #closing = new AbortController();

  constructor({ database, clock, logger, isBusy }: ClosureRoundsParts) {
    this.#database = database;
    this.#clock = clock;
    this.#isBusy = isBusy;
    this.#rounds = new Rounds({
      name: "closures",
      intervalMs: ROUND_MS,
      clock,
      logger,
      run: () => this.#run(),
    });
  }

  /** Resolves when no evaluation is being counted. */
  idle(): Promise<void> {
    return this.#rounds.idle();
  }

  /** What is being counted is counted again at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#rounds[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    const { file, kysely } = this.#database;
    const endedBy = this.#isBusy() ? this.#clock.now() - BUSY_WAIT_MS : null;
    const evaluation = await findDueEvaluation(kysely, endedBy);
    if (evaluation === undefined) return;
    const counted = await countInThread({ file, evaluation }, this.#closing.signal);
    if (counted === null) return;
    const { whole, derivations } = counted;
    // Forgotten by a power failure, all is counted again: the evaluation comes last.
    for (const closures of derivations) {
      await this.#database.relaxedTransaction((tx) =>
        insertDerivationClosures(tx.kysely, closures),
      );
      await setTimeout(PAUSE_MS);
      if (this.#closing.signal.aborted) return;
    }
    await this.#database.relaxedTransaction((tx) =>
      insertEvaluationClosures(tx.kysely, evaluation.id, whole),
    );
  }
}

interface ClosureRoundsParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether workers have anything to do. */
  readonly isBusy: () => boolean;
}
