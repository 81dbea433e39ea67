import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { insertNotice } from "../db/notice-repository.ts";
import { findPolledReference } from "../projects/evaluate-project.ts";
import { changesOf } from "../queue/change.ts";
import { startEvaluation } from "./start-evaluation.ts";

/**
 * Queues an evaluation of a project's newest commit from beside the coordinator, which is told by a notice, or finds it when it starts. Resolves to
 * its id. Throws NotFoundError, and ConflictError when one is active already.
 */
export async function queueEvaluation(
  database: Database,
  clock: Clock,
  projectId: string,
): Promise<string> {
  const reference = await findPolledReference(database.kysely, projectId);
  const changes = changesOf({
    database,
    clock,
    // Nothing ends by it, and nothing is kept in memory here.
    settle: () => Promise.resolve(),
    tell: () => undefined,
  });
  return changes.durable(async (change) => {
    const { id } = await startEvaluation(change, { projectId, triggeredBy: null, reference });
    await insertNotice(change.kysely, { kind: "evaluation", subject: id });
    return id;
  });
}
