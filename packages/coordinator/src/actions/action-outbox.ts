import type { Clock } from "../clock.ts";
import {
  deleteActionDeliveriesBefore,
  findDueDeliveries,
  recordOutcome,
  type DueDelivery,
} from "../db/action-delivery-repository.ts";
import type { Database } from "../db/client.ts";
import type { Logger } from "../logger.ts";
import { Outbox } from "../outbound/outbox.ts";
import { storedConfigOf } from "./action-config.ts";
import { outcomeOf, tell, type TellerOptions } from "./tell.ts";

export interface ActionOutboxOptions extends TellerOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

const FIRST_DELAY_MS = 10_000;
const MAX_DELAY_MS = 3600 * 1000;
/** About three hours. */
const MAX_TRIES = 12;
const KEEP_MS = 30 * 24 * 3600 * 1000;
const CLEAN_MS = 3600 * 1000;
const DELETED_AT_ONCE = 1000;

/** Tells receivers of projects' actions what has happened, beside everything else: no evaluation waits for them. What is to be told stands in the database. */
export function openActionOutbox(options: ActionOutboxOptions): Outbox<DueDelivery> {
  const { database, clock, logger } = options;
  let cleanedAt = 0;
  const clean = async (): Promise<void> => {
    const now = clock.now();
    if (now - cleanedAt < CLEAN_MS) return;
    const deleted = await database.relaxedTransaction(({ kysely }) =>
      deleteActionDeliveriesBefore(kysely, now - KEEP_MS, DELETED_AT_ONCE),
    );
    if (deleted === DELETED_AT_ONCE) outbox.wake();
    else cleanedAt = now;
  };
  const outbox = new Outbox<DueDelivery>({
    name: "actions",
    clock,
    logger,
    due: (now, limit, except) => findDueDeliveries(database.kysely, now, limit, except),
    idOf: ({ id }) => id,
    senderOf: ({ action }) => action.id,
    receiverOf,
    tell: (delivery) => deliver(options, delivery),
    rest: clean,
  });
  return outbox;
}

function receiverOf({ action }: DueDelivery): string {
  const config = storedConfigOf(action);
  return config.type === "send_web_request" ? new URL(config.url).host : config.type;
}

async function deliver(options: ActionOutboxOptions, delivery: DueDelivery): Promise<void> {
  const { database, clock, logger } = options;
  const { id, action, tries } = delivery;
  const start = clock.now();
  const news = { ...delivery, delivery: id, at: delivery.createdAt, isSynthetic: false };
  const told = await tell(options, action, news);
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
