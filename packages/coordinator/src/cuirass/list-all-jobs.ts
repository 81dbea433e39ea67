import { setImmediate as nextTurn } from "node:timers/promises";
import type { CuirassEvaluationView } from "../db/cuirass-evaluation-view.ts";
import { jobObjectOf } from "./evaluation-object.ts";

/** Jobs that are read in one go: about 5 ms, and then it is everybody else's turn. */
const PIECE = 5000;

/** All jobs of an evaluation in the order of their names, as JSON: there may be a hundred thousand. */
export async function allJobsText(
  view: CuirassEvaluationView,
  filter: { evaluation: number; system?: string },
  piece: number = PIECE,
): Promise<string> {
  const pieces: string[] = [];
  for (let after = ""; ;) {
    const jobs = view.evaluationJobs({ ...filter, after, limit: piece });
    if (jobs.length > 0) pieces.push(JSON.stringify(jobs.map(jobObjectOf)).slice(1, -1));
    const last = jobs.at(-1);
    if (last === undefined || jobs.length < piece) return `[${pieces.join(",")}]`;
    after = last.name;
    await nextTurn();
  }
}
