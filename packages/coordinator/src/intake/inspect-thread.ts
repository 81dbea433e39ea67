import { parentPort, workerData } from "node:worker_threads";
import { UnprocessableError } from "../errors.ts";
import { NarInspection } from "./nar-inspection.ts";
import { readPieces } from "./piece-ring.ts";
import type { InspectJob, InspectOutput } from "./thread-messages.ts";

/** Entry of a thread that inspects one NAR, which another thread unpacks. */
const { unpacked, maxNarBytes } = workerData as InspectJob;
parentPort?.postMessage(inspect() satisfies InspectOutput);

function inspect(): InspectOutput {
  const inspection = new NarInspection(maxNarBytes);
  try {
    const isComplete = readPieces(unpacked, (piece) => inspection.write(piece));
    return isComplete ? { type: "inspected", nar: inspection.finish() } : { type: "broken-off" };
  } catch (error) {
    if (!(error instanceof UnprocessableError)) throw error;
    const { message, code } = error;
    return { type: "refused", message, code };
  }
}
