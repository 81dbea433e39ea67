import {
  findProjectToEvaluate,
  hasActiveEvaluation,
  insertEvaluation,
  type Evaluation,
} from "../db/evaluation-repository.ts";
import { ConflictError, NotFoundError } from "../errors.ts";
import type { Change } from "../queue/change.ts";

/** Higher goes first: what somebody asked for and waits for, then what started by itself. */
export const PRIORITIES = { interactive: 2, automatic: 1 } as const;

/** Queues an evaluation of a project. Throws NotFoundError, and ConflictError when one is active already. */
export async function startEvaluation(
  change: Change,
  request: { projectId: string; triggeredBy: string | null },
): Promise<Evaluation> {
  const { kysely, now, news } = change;
  const project = await findProjectToEvaluate(kysely, request.projectId);
  if (project === null) throw new NotFoundError(`project ${request.projectId} does not exist`);
  if (project.repository === "") {
    throw new ConflictError(
      `project '${project.name}' has no repository: its sources are uploaded, each with its evaluation`,
    );
  }
  if (await hasActiveEvaluation(kysely, request.projectId)) {
    throw new ConflictError(
      `project '${project.name}' has an active evaluation already: wait for its end or abort it`,
    );
  }
  const evaluation = await insertEvaluation(
    kysely,
    {
      organization: project.organization,
      project: request.projectId,
      repository: project.repository,
      wildcard: project.wildcard,
      priority: request.triggeredBy === null ? PRIORITIES.automatic : PRIORITIES.interactive,
      triggeredBy: request.triggeredBy,
    },
    now,
  );
  news.tasks.add(evaluation.id);
  return evaluation;
}
