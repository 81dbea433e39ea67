import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { batchesOf } from "../db/batches.ts";
import { findCounted, listJobDerivations } from "../db/closure-size-repository.ts";
import { withThreadDatabase } from "../db/thread-database.ts";
import type { ClosureThreadData, CountedClosures } from "./count-in-thread.ts";
import { countClosures } from "./closure-sizes.ts";

/** Kept by one statement, which holds the main thread up for a millisecond. */
const KEPT_AT_ONCE = 100;
/** It reads each page about once. */
const CACHE_KB = 8000;

/** Entry of a thread that counts the closures of one evaluation. It reads only, and has time. */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const { file, evaluation } = workerData as ClosureThreadData;
try {
  // On Linux that is the priority of this thread alone (setpriority(2)).
  setPriority(constants.priority.PRIORITY_LOW);
} catch {
  // A sandbox may forbid it.
}

const options = { file, cacheKb: CACHE_KB };
const message = await withThreadDatabase(options, async ({ kysely }): Promise<CountedClosures> => {
  const derivations = await listJobDerivations(kysely, evaluation.id);
  const counted = await findCounted(kysely, derivations);
  const alone = derivations.filter((derivation) => !counted.has(derivation));
  const { organizationId } = evaluation;
  const { whole, each } = await countClosures(kysely, organizationId, derivations, alone);
  const batches = batchesOf(each, KEPT_AT_ONCE);
  return { whole, derivations: Array.from(batches, (batch) => JSON.stringify(batch)) };
});
port.postMessage(message);
