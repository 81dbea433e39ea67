import { z } from "zod";
import type { CuirassEvaluation, CuirassJob } from "../db/cuirass-evaluation-view.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";
import { seconds } from "./seconds.ts";

const checkoutObject = z.object({
  commit: z.string(),
  channel: z.string(),
  directory: z.string().meta({ description: "Store path; empty while it is not known." }),
});
type CheckoutObject = z.infer<typeof checkoutObject>;

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

export function evaluationObjectOf(
  evaluation: CuirassEvaluation,
): z.infer<typeof evaluationObject> {
  return {
    id: evaluation.number,
    specification: jobsetName(evaluation),
    status: evaluation.status,
    timestamp: seconds(evaluation.createdAt),
    checkouttime: seconds(evaluation.fetchedAt),
    evaltime: seconds(evaluation.evaluatedAt),
    checkouts: checkoutsOf(evaluation),
  };
}

export const jobObject = z.object({ build: z.int(), status: z.int(), name: z.string() });

export function jobObjectOf({ build, status, name }: CuirassJob): z.infer<typeof jobObject> {
  return { build, status, name };
}

export const historyObject = z.object({
  evaluation: z.int(),
  checkouts: z.array(checkoutObject).meta({ description: "Empty when the commit did not change." }),
  jobs: z.array(jobObject),
});

export function historyObjectOf(item: {
  evaluation: CuirassEvaluation;
  jobs: readonly CuirassJob[];
}): z.infer<typeof historyObject> {
  const { evaluation, jobs } = item;
  return {
    evaluation: evaluation.number,
    checkouts: evaluation.isNewCommit ? checkoutsOf(evaluation) : [],
    jobs: jobs.map(jobObjectOf),
  };
}

function checkoutsOf(evaluation: CuirassEvaluation): CheckoutObject[] {
  const { commit, alias, project, source } = evaluation;
  if (commit === null) return [];
  const directory = source === null ? "" : `/nix/store/${source}`;
  return [{ commit, channel: alias ?? project, directory }];
}
