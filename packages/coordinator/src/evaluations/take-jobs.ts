import type { EvalJobs, EvaluatedJob, WorkerId } from "@gradient/protocol";
import {
  findLease,
  hasEvaluationBatch,
  insertEvaluationBatch,
} from "../db/assignment-repository.ts";
import type { Queries } from "../db/client.ts";
import { findEvaluation, moveEvaluation, type Evaluation } from "../db/evaluation-repository.ts";
import { insertMessages, upsertJobs, type JobRecord } from "../db/job-repository.ts";
import type { Change, ChangeFacts } from "../queue/change.ts";
import { isActiveEvaluation } from "../scheduler/evaluation-state.ts";
import type { PlanReads } from "./plan-builds.ts";
import { wantBuilds } from "./want-builds.ts";

/**
 * Records a batch of attributes and makes what they need wanted. Resolves once everything is durable: then it may be acknowledged.
 * The batch may come again at any time. False when its lease was lost or the evaluation has ended.
 */
export async function takeJobs(
  options: { kysely: Queries; reads: PlanReads; changes: ChangeFacts },
  worker: WorkerId,
  batch: EvalJobs,
): Promise<boolean> {
  const { kysely, reads, changes } = options;
  const lease = await findLease(kysely, batch.fencing, worker);
  if (lease?.kind !== "eval" || lease.evaluation === null) return false;
  const evaluation = await findEvaluation(kysely, lease.evaluation);
  if (evaluation === null || !isActiveEvaluation(evaluation.state)) return false;
  if (await hasEvaluationBatch(kysely, batch.fencing, batch.sequence)) return true;
  const { records, wanted } = resolveJobs(reads, evaluation, batch.jobs);
  const { id } = evaluation;
  return wantBuilds({ reads, changes }, id, wanted, {
    hold: async (change) => (await findLease(change.kysely, lease.fencing, worker)) !== null,
    first: async (change) => {
      await moveEvaluation(change.kysely, id, "job-delivered", change.now);
      await upsertJobs(change.kysely, id, records, change.now);
    },
    last: (change) => recordBatch(change, id, batch, records),
  });
}

function resolveJobs(
  reads: PlanReads,
  evaluation: Evaluation,
  jobs: readonly EvaluatedJob[],
): { records: JobRecord[]; wanted: number[] } {
  const wanted: number[] = [];
  const records = jobs.map((job): JobRecord => {
    if (job.outcome === "error")
      return { attribute: job.attribute, derivation: null, error: job.error };
    const base = job.drvPath.slice("/nix/store/".length);
    const derivation = reads.derivations.id(evaluation.organization, base);
    if (derivation === null) {
      const error = `the worker named ${job.drvPath} and never uploaded it; start the evaluation again`;
      return { attribute: job.attribute, derivation: null, error };
    }
    wanted.push(derivation);
    return { attribute: job.attribute, derivation, error: null };
  });
  return { records, wanted };
}

async function recordBatch(
  change: Change,
  evaluationId: string,
  batch: EvalJobs,
  records: readonly JobRecord[],
): Promise<void> {
  const { kysely, now } = change;
  if (!(await insertEvaluationBatch(kysely, batch.fencing, batch.sequence))) return;
  const errors = records.flatMap(({ attribute, error }) =>
    error === null ? [] : [{ level: "Error" as const, text: error, attribute: [...attribute] }],
  );
  await insertMessages(kysely, evaluationId, [...batch.messages, ...errors], now);
}
