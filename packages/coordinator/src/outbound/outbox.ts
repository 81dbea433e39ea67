import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import { Rounds } from "../rounds.ts";

const ROUND_MS = 2000;
const MAX_UNDER_WAY = 32;
/** Of them to one receiver: one that is down holds these until their deadlines, and never all. */
const MAX_TO_RECEIVER = 4;

/** What a look leaves out: by id what is under way, and everything from senders whose receiver has enough. */
export interface Excepted {
  readonly ids: readonly string[];
  readonly senders: readonly string[];
}

export interface OutboxOptions<Item> {
  /** For the log. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is due, that which waits longest first. */
  readonly due: (now: number, limit: number, except: Excepted) => Promise<readonly Item[]>;
  readonly idOf: (item: Item) => string;
  /** On whose behalf it is told, always to the same receiver. */
  readonly senderOf: (item: Item) => string;
  /** Several senders may tell the same one. */
  readonly receiverOf: (item: Item) => string;
  /** Tells it and notes in the database what came of it: what is still due afterwards is told again. */
  readonly tell: (item: Item) => Promise<void>;
  /** Follows a look that found nothing more to tell. */
  readonly rest?: () => Promise<void>;
}

/** Tells receivers outside what is due, each beside the others: nobody waits for one that is slow or down but those who are told by it. */
export class Outbox<Item> implements AsyncDisposable {
  readonly #options: OutboxOptions<Item>;
  readonly #rounds: Rounds;
  readonly #underWay = new Map<string, { receiver: string; done: Promise<void> }>();
  /** The last look found more than could begin. */
  #hasMore = false;

  constructor(options: OutboxOptions<Item>) {
    this.#options = options;
    const { name, clock, logger } = options;
    const run = () => this.#look();
    this.#rounds = new Rounds({ name, intervalMs: ROUND_MS, clock, logger, run });
  }

  /** Another look as soon as may be. */
  wake(): void {
    this.#rounds.wake();
  }

  /** Resolves when all that was due has been told or given up for now. */
  async idle(): Promise<void> {
    let round: Promise<void>;
    do {
      round = this.#rounds.idle();
      await round;
      await Promise.all([...this.#underWay.values()].map(({ done }) => done));
    } while (this.#underWay.size > 0 || round !== this.#rounds.idle());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]();
    await Promise.all([...this.#underWay.values()].map(({ done }) => done));
  }

  async #look(): Promise<void> {
    const { due, clock, senderOf, receiverOf, rest } = this.#options;
    const full = new Set<string>();
    for (;;) {
      const room = MAX_UNDER_WAY - this.#underWay.size;
      this.#hasMore = room === 0;
      if (this.#hasMore) return;
      const except = { ids: [...this.#underWay.keys()], senders: [...full] };
      const found = await due(clock.now(), room, except);
      for (const item of found) {
        if (this.#countTo(receiverOf(item)) < MAX_TO_RECEIVER) this.#begin(item);
        else full.add(senderOf(item));
      }
      if (found.length < room) break;
    }
    this.#hasMore = full.size > 0;
    if (!this.#hasMore) await rest?.();
  }

  #countTo(receiver: string): number {
    return [...this.#underWay.values()].filter((each) => each.receiver === receiver).length;
  }

  #begin(item: Item): void {
    const id = this.#options.idOf(item);
    const done = this.#tell(id, item);
    this.#underWay.set(id, { receiver: this.#options.receiverOf(item), done });
  }

  async #tell(id: string, item: Item): Promise<void> {
    const { tell, name, logger } = this.#options;
    try {
      await tell(item);
      this.#underWay.delete(id);
      if (this.#hasMore) this.wake();
    } catch (error) {
      // It is looked for again at its time, and not at once.
      this.#underWay.delete(id);
      logger.error(
        { err: error, rounds: name, item: id },
        "what was to be told could not be noted",
      );
    }
  }
}
