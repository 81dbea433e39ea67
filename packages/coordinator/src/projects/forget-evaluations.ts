import type { Database } from "../db/client.ts";
import { deleteProjectBuildsPart } from "../db/project-build-repository.ts";
import { deleteEvaluationPart, listEvaluationIds } from "../db/old-evaluation-repository.ts";

/** Removes all evaluations of a project and what it has registered for Cuirass's API, part by part, so that nobody waits for long. Their builds stay. */
export async function forgetEvaluations(database: Database, projectId: string): Promise<void> {
  for (const id of await listEvaluationIds(database.kysely, projectId)) {
    while (await database.relaxedTransaction(({ kysely }) => deleteEvaluationPart(kysely, id)));
  }
  const isLeft = () =>
    database.relaxedTransaction(({ kysely }) => deleteProjectBuildsPart(kysely, projectId));
  while (await isLeft());
}
