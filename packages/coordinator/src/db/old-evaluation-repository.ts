import { ENDED_EVALUATION_STATES } from "../scheduler/evaluation-state.ts";
import type { Queries } from "./client.ts";

/** Rows that one statement removes at most: everybody else's writes wait for it. */
const PART = 500;

/** The next project after the id, in the order of ids, with how many evaluations it keeps. */
export async function nextProject(
  db: Queries,
  id: string,
): Promise<{ id: string; kept: number } | null> {
  const row = await db
    .selectFrom("projects")
    .select(["id", "keep_evaluations as kept"])
    .where("id", ">", id)
    .orderBy("id")
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** Ended evaluations of the project behind its newest `kept`, at most some. */
export async function findSurplusEvaluations(
  db: Queries,
  project: { id: string; kept: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom("evaluations")
    .select(["id", "state"])
    .where("project_id", "=", project.id)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(PART)
    .offset(project.kept)
    .execute();
  const ended: readonly string[] = ENDED_EVALUATION_STATES;
  return rows.filter(({ state }) => ended.includes(state)).map(({ id }) => id);
}

/**
 * Removes a part of an evaluation with what is only its own: links to builds, attributes, messages, and at last itself with its commit. False when
 * nothing is left. Builds stay: they belong to the organization.
 */
export async function deleteEvaluationPart(db: Queries, id: string): Promise<boolean> {
  const links = await db
    .deleteFrom("evaluation_builds")
    .where("id", "in", (select) =>
      select
        .selectFrom("evaluation_builds")
        .select("id")
        .where("evaluation_id", "=", id)
        .limit(PART),
    )
    .executeTakeFirst();
  if (links.numDeletedRows > 0n) return true;
  const jobs = await db
    .deleteFrom("jobs")
    .where("evaluation_id", "=", id)
    .where("attribute_json", "in", (select) =>
      select
        .selectFrom("jobs")
        .select("attribute_json")
        .where("evaluation_id", "=", id)
        .limit(PART),
    )
    .executeTakeFirst();
  if (jobs.numDeletedRows > 0n) return true;
  const messages = await db
    .deleteFrom("evaluation_messages")
    .where("id", "in", (select) =>
      select
        .selectFrom("evaluation_messages")
        .select("id")
        .where("evaluation_id", "=", id)
        .limit(PART),
    )
    .executeTakeFirst();
  if (messages.numDeletedRows > 0n) return true;
  await deleteEvaluation(db, id);
  return false;
}

async function deleteEvaluation(db: Queries, id: string): Promise<void> {
  const gone = await db
    .deleteFrom("evaluations")
    .where("id", "=", id)
    .returning("commit_id")
    .executeTakeFirst();
  const commit = gone?.commit_id ?? null;
  if (commit === null) return;
  const other = await db
    .selectFrom("evaluations")
    .select("id")
    .where("commit_id", "=", commit)
    .limit(1)
    .executeTakeFirst();
  if (other === undefined) await db.deleteFrom("commits").where("id", "=", commit).execute();
}

/** Any evaluations of the project, active or not. */
export async function listEvaluationIds(db: Queries, projectId: string): Promise<string[]> {
  const rows = await db
    .selectFrom("evaluations")
    .select("id")
    .where("project_id", "=", projectId)
    .orderBy("created_at")
    .execute();
  return rows.map(({ id }) => id);
}
