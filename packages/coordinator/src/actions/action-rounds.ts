import type { Clock } from "../clock.ts";
import {
  deleteDeliveriesBefore,
  findDueDeliveries,
  recordOutcome,
  type DueDelivery,
} from "../db/action-delivery-repository.ts";
import type { Database } from "../db/client.ts";
import type { Logger } from "../logger.ts";
import { Rounds } from "../rounds.ts";
import { outcomeOf, tell, type TellerOptions } from "./tell.ts";

export interface ActionRoundsOptions extends TellerOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

const ROUND_MS = 2000;
const MAX_AT_ONCE = 8;
const FIRST_DELAY_MS = 10_000;
const MAX_DELAY_MS = 3600 * 1000;
/** About three hours. */
const MAX_TRIES = 12;
const KEEP_MS = 30 * 24 * 3600 * 1000;
const CLEAN_MS = 3600 * 1000;
const DELETED_AT_ONCE = 1000;

/** Tells receivers of projects' actions what has happened, beside everything else: no evaluation waits for them. What is to be told stands in the database. */
export class ActionRounds implements AsyncDisposable {
  readonly #options: ActionRoundsOptions;
  readonly #rounds: Rounds;
  #cleanedAt = 0;

  constructor(options: ActionRoundsOptions) {
    this.#options = options;
    const { clock, logger } = options;
    const run = () => this.#round();
    this.#rounds = new Rounds({ name: "actions", intervalMs: ROUND_MS, clock, logger, run });
  }

  /** Resolves when no round is under way. */
  idle(): Promise<void> {
    return this.#rounds.idle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#rounds[Symbol.asyncDispose]();
  }

  async #round(): Promise<void> {
    const { database, clock } = this.#options;
    const now = clock.now();
    const due = await findDueDeliveries(database.kysely, now, MAX_AT_ONCE);
    await Promise.all(due.map((delivery) => this.#deliver(delivery)));
    if (due.length === MAX_AT_ONCE) this.#rounds.wake();
    else if (now - this.#cleanedAt >= CLEAN_MS) await this.#clean(now);
  }

  async #clean(now: number): Promise<void> {
    const { database } = this.#options;
    const deleted = await database.relaxedTransaction(({ kysely }) =>
      deleteDeliveriesBefore(kysely, now - KEEP_MS, DELETED_AT_ONCE),
    );
    if (deleted === DELETED_AT_ONCE) this.#rounds.wake();
    else this.#cleanedAt = now;
  }

  async #deliver(delivery: DueDelivery): Promise<void> {
    const { database, clock, logger } = this.#options;
    const { id, action, tries } = delivery;
    const start = clock.now();
    const news = { ...delivery, delivery: id, at: delivery.createdAt, isSynthetic: false };
    const told = await tell(this.#options, action, news);
    const isAgain = !told.isDelivered && told.isTransient && tries + 1 < MAX_TRIES;
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** tries, MAX_DELAY_MS);
    if (!told.isDelivered) {
      const facts = { action: action.id, delivery: id, reason: told.error, isAgain };
      logger.warn(facts, "an action's receiver did not take an event");
    }
    const outcome = {
      ...outcomeOf(told, start, clock.now()),
      tries: tries + 1,
      due_at: isAgain ? clock.now() + delayMs : null,
    };
    // Forgotten by a power failure, it is told again.
    await database.relaxedTransaction(({ kysely }) =>
      recordOutcome(kysely, { id, actionId: action.id }, outcome),
    );
  }
}
