import { setImmediate as nextTurn } from "node:timers/promises";
import type { CuirassEvaluationView } from "../db/cuirass-evaluation-view.ts";
import { jobObjectOf } from "./evaluation-object.ts";

/** Jobs that are read in one go: 1 ms and 150 kB, and then it is everybody else's turn. */
export const PIECE = 1000;

/** All jobs of an evaluation in the order of their names, as texts that are one JSON array together: there may be a hundred thousand, 15 MB, which nobody has to hold. */
export async function* allJobsTexts(
  view: CuirassEvaluationView,
  filter: { evaluation: number; system?: string },
  piece: number = PIECE,
): AsyncGenerator<string, void, undefined> {
  let opening = "[";
  for (let after = ""; ; opening = ",") {
    // One more tells whether there is a next piece.
    const jobs = view.evaluationJobs({ ...filter, after, limit: piece + 1 });
    const shown = jobs.slice(0, piece);
    const text = opening + JSON.stringify(shown.map(jobObjectOf)).slice(1, -1);
    const last = shown.at(-1);
    if (last === undefined || jobs.length <= piece) {
      yield `${text}]`;
      return;
    }
    yield text;
    after = last.name;
    await nextTurn();
  }
}
