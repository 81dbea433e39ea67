import { parentPort, workerData } from "node:worker_threads";
import { batchesOf } from "../db/batches.ts";
import { findCounted, listJobDerivations } from "../db/closure-size-repository.ts";
import { withThreadDatabase } from "../db/thread-database.ts";
import type { ClosureThreadData, CountedClosures } from "./count-in-thread.ts";
import { countClosures } from "./closure-sizes.ts";

/** Entry of a thread that counts the closures of one evaluation. It reads only. */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const { file, evaluation } = workerData as ClosureThreadData;

const message = await withThreadDatabase(file, async ({ kysely }): Promise<CountedClosures> => {
  const derivations = await listJobDerivations(kysely, evaluation.id);
  const counted = await findCounted(kysely, derivations);
  const alone = derivations.filter((derivation) => !counted.has(derivation));
  const { organizationId } = evaluation;
  const { whole, each } = await countClosures(kysely, organizationId, derivations, alone);
  return { whole, derivations: Array.from(batchesOf(each), (batch) => JSON.stringify(batch)) };
});
port.postMessage(message);
