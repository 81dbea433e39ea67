import {
  kindOfDifference,
  type CuirassEvaluation,
  type CuirassEvaluationView,
  type DifferenceKind,
  type JobDifference,
} from "../db/cuirass-evaluation-view.ts";
import { NotFoundError } from "../errors.ts";

/** Jobs of one kind, the first of them by name. */
interface DifferentJobs {
  count: number;
  jobs: JobDifference[];
}

export type EvaluationDifference = Record<DifferenceKind, DifferentJobs> & {
  /** UUID of the evaluation that it was compared with. */
  against: string | null;
};

/**
 * What became of an evaluation's jobs since an earlier one of its project, or since the last one before it whose jobs are known (`against` null). Without one
 * everything is new. Names at most `limit` of each kind. Throws NotFoundError for another project's.
 */
export function compareEvaluations(
  view: CuirassEvaluationView,
  { id, against, limit }: { id: string; against: string | null; limit: number },
): EvaluationDifference {
  const none = (): DifferentJobs => ({ count: 0, jobs: [] });
  const found = { new: none(), gone: none(), broken: none(), fixed: none(), changed: none() };
  const evaluation = view.evaluationById(id);
  // One outside of projects has no jobs that could be compared.
  if (evaluation === null) return { against: null, ...found };
  const earlier = earlierOf(view, evaluation, against);
  for (const job of view.evaluationDifference(evaluation.number, earlier?.number ?? 0)) {
    const kind = found[kindOfDifference(job)];
    kind.count += 1;
    if (kind.jobs.length < limit) kind.jobs.push(job);
  }
  return { against: earlier?.id ?? null, ...found };
}

function earlierOf(
  view: CuirassEvaluationView,
  evaluation: CuirassEvaluation,
  against: string | null,
): CuirassEvaluation | null {
  if (against === null) return view.previousSucceeded(evaluation);
  const earlier = view.evaluationById(against);
  if (earlier?.projectId === evaluation.projectId) return earlier;
  throw new NotFoundError(`the project has no evaluation ${against}`);
}
