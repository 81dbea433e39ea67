import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import {
  findCounted,
  findDueEvaluation,
  insertClosureSizes,
} from "../db/closure-size-repository.ts";
import type { Logger } from "../logger.ts";
import { Rounds } from "../rounds.ts";
import { countClosures } from "./closure-sizes.ts";

/** One evaluation in each: those that an upgrade finds may be thousands. */
const ROUND_MS = 1000;

/** Counts how large the closures are of evaluations that ended well, one after the other. Those of derivations are counted once. */
export function openClosureRounds({
  database,
  clock,
  logger,
}: {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}): Rounds {
  const run = async (): Promise<void> => {
    const db = database.kysely;
    const due = await findDueEvaluation(db);
    if (due === undefined) return;
    const { id, organizationId, derivations } = due;
    const counted = await findCounted(db, derivations);
    const alone = derivations.filter((derivation) => !counted.has(derivation));
    const { whole, each } = await countClosures(db, organizationId, derivations, alone);
    // Forgotten by a power failure, it is counted again.
    await database.relaxedTransaction(({ kysely }) => insertClosureSizes(kysely, id, whole, each));
  };
  return new Rounds({ name: "closures", intervalMs: ROUND_MS, clock, logger, run });
}
