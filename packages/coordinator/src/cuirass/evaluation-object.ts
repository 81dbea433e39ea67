import { z } from "zod";
import type { CuirassJob } from "../db/cuirass-evaluation-view.ts";

const checkoutObject = z.object({
  commit: z.string(),
  channel: z.string(),
  directory: z.string().meta({ description: "Store path; empty while it is not known." }),
});

/** Times are seconds since the epoch, 0 while it is not so far. */
export const evaluationObject = z.object({
  id: z.int(),
  specification: z.string(),
  status: z.int().min(-1).max(2),
  timestamp: z.int(),
  checkouttime: z.int(),
  evaltime: z.int(),
  checkouts: z
    .array(checkoutObject)
    .meta({ description: "One, as soon as the commit is known: clients look for exactly one." }),
});

export type EvaluationObject = z.infer<typeof evaluationObject>;

export const jobObject = z.object({ build: z.int(), status: z.int(), name: z.string() });

/** `status` is Cuirass's number of the build's status. */
export function jobObjectOf({ build, status, name }: CuirassJob): z.infer<typeof jobObject> {
  return { build, status, name };
}

export const historyObject = z.object({
  evaluation: z.int(),
  checkouts: z.array(checkoutObject).meta({ description: "Empty when the commit did not change." }),
  jobs: z.array(jobObject),
});

/** An evaluation and its jobs among those that are asked for. */
export function historyObjectOf(
  { id, checkouts }: EvaluationObject,
  { isNewCommit, jobs }: { isNewCommit: boolean; jobs: readonly CuirassJob[] },
): z.infer<typeof historyObject> {
  return {
    evaluation: id,
    checkouts: isNewCommit ? checkouts : [],
    jobs: jobs.map(jobObjectOf),
  };
}
