import type { Selectable } from "kysely";
import { ENDED_EVALUATION_STATES } from "../scheduler/evaluation-state.ts";
import type { Queries } from "./client.ts";
import type { EvaluationsTable } from "./evaluation-tables.ts";

/** Reads of evaluations for the API. The evaluation's life itself is in evaluation-repository.ts. */

export interface EvaluationFacts extends Selectable<EvaluationsTable> {
  project_name: string | null;
  project_display_name: string | null;
  commit_hash: string | null;
  commit_message: string | null;
  /** Display name of the user who started it; null for a trigger or a user who is gone. */
  triggered_by_name: string | null;
}

function factsQuery(db: Queries) {
  return db
    .selectFrom("evaluations")
    .leftJoin("projects", "projects.id", "evaluations.project_id")
    .leftJoin("commits", "commits.id", "evaluations.commit_id")
    .leftJoin("users", "users.id", "evaluations.triggered_by")
    .selectAll("evaluations")
    .select([
      "projects.name as project_name",
      "projects.display_name as project_display_name",
      "commits.hash as commit_hash",
      "commits.message as commit_message",
      "users.name as triggered_by_name",
    ]);
}

/** With the project's names and the commit, null where there is none: a direct build has no project, and the commit comes with the fetch. */
export function findEvaluationFacts(db: Queries, id: string): Promise<EvaluationFacts | undefined> {
  return factsQuery(db).where("evaluations.id", "=", id).executeTakeFirst();
}

/** Newest first. */
export function listProjectEvaluations(
  db: Queries,
  projectId: string,
  limit: number,
): Promise<EvaluationFacts[]> {
  return factsQuery(db)
    .where("evaluations.project_id", "=", projectId)
    .orderBy("evaluations.created_at", "desc")
    .orderBy("evaluations.id", "desc")
    .limit(limit)
    .execute();
}

export interface Neighbours {
  previous: string | null;
  next: string | null;
}

/** Evaluations of the same project just before and after this one. Ids rise with time (UUID version 7). */
export async function findNeighbours(
  db: Queries,
  evaluation: { id: string; project_id: string | null },
): Promise<Neighbours> {
  if (evaluation.project_id === null) return { previous: null, next: null };
  const ofProject = db
    .selectFrom("evaluations")
    .select("id")
    .where("project_id", "=", evaluation.project_id)
    .limit(1);
  const previous = await ofProject
    .where("id", "<", evaluation.id)
    .orderBy("id", "desc")
    .executeTakeFirst();
  const next = await ofProject.where("id", ">", evaluation.id).orderBy("id").executeTakeFirst();
  return { previous: previous?.id ?? null, next: next?.id ?? null };
}

export interface EvaluationMessage {
  id: number;
  level: "Error" | "Warning" | "Notice";
  text: string;
  attribute_json: string | null;
  created_at: number;
}

/** Oldest first. */
export function listMessages(db: Queries, evaluationId: string): Promise<EvaluationMessage[]> {
  return db
    .selectFrom("evaluation_messages")
    .select(["id", "level", "text", "attribute_json", "created_at"])
    .where("evaluation_id", "=", evaluationId)
    .orderBy("id")
    .execute();
}

export interface EvaluationCounts {
  /** Builds by state. */
  builds: ReadonlyMap<string, number>;
  errors: number;
  warnings: number;
}

/** Counts for each of the evaluations, in two queries whatever their number. */
export async function countByEvaluation(
  db: Queries,
  evaluationIds: readonly string[],
): Promise<Map<string, EvaluationCounts>> {
  const counts = new Map(
    evaluationIds.map((id) => [id, { builds: new Map<string, number>(), errors: 0, warnings: 0 }]),
  );
  if (evaluationIds.length === 0) return counts;
  const states = await db
    .selectFrom("evaluation_builds")
    .select((select) => ["evaluation_id", "state", select.fn.countAll<number>().as("count")])
    .where("evaluation_id", "in", evaluationIds)
    .groupBy(["evaluation_id", "state"])
    .execute();
  for (const row of states) counts.get(row.evaluation_id)?.builds.set(row.state, Number(row.count));
  const levels = await db
    .selectFrom("evaluation_messages")
    .select((select) => ["evaluation_id", "level", select.fn.countAll<number>().as("count")])
    .where("evaluation_id", "in", evaluationIds)
    .where("level", "in", ["Error", "Warning"])
    .groupBy(["evaluation_id", "level"])
    .execute();
  for (const row of levels) {
    const entry = counts.get(row.evaluation_id);
    if (entry !== undefined)
      entry[row.level === "Error" ? "errors" : "warnings"] = Number(row.count);
  }
  return counts;
}

/** Builds of a project's unfinished evaluations by state. */
export async function countActiveBuilds(
  db: Queries,
  projectId: string,
): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom("builds")
    .select((select) => ["state", select.fn.countAll<number>().as("count")])
    .where("id", "in", (where) =>
      where
        .selectFrom("evaluation_builds as link")
        .innerJoin("evaluations", "evaluations.id", "link.evaluation_id")
        .select("link.build_id")
        .where("evaluations.project_id", "=", projectId)
        .where("evaluations.state", "not in", ENDED_EVALUATION_STATES),
    )
    .groupBy("state")
    .execute();
  return new Map(rows.map((row) => [row.state, Number(row.count)]));
}

export interface EvaluatedAttribute {
  attribute_json: string;
  /** null for one that failed. */
  drv_path: string | null;
}

/** Every attribute that was evaluated, also one without a derivation, in the order of their text. */
export function listEvaluatedAttributes(
  db: Queries,
  evaluationId: string,
): Promise<EvaluatedAttribute[]> {
  return db
    .selectFrom("jobs")
    .leftJoin("derivations", "derivations.id", "jobs.derivation_id")
    .select(["jobs.attribute_json", "derivations.drv_path"])
    .where("jobs.evaluation_id", "=", evaluationId)
    .orderBy("jobs.attribute_json")
    .execute();
}

/** An attribute of an evaluation with the build that it asks for. */
export interface EntryPoint {
  /** Of the evaluation build. */
  id: string;
  attribute_json: string;
  drv_path: string;
  name: string;
  system: string;
  state: string;
  derivation_id: number;
  started_at: number | null;
  stopped_at: number | null;
  created_at: number;
}

/** Attributes that have a derivation, in the order of their text. */
export function listEntryPoints(db: Queries, evaluationId: string): Promise<EntryPoint[]> {
  return db
    .selectFrom("jobs")
    .innerJoin("derivations", "derivations.id", "jobs.derivation_id")
    .innerJoin("builds", "builds.derivation_id", "derivations.id")
    .innerJoin("evaluation_builds as link", (join) =>
      join
        .onRef("link.build_id", "=", "builds.id")
        .onRef("link.evaluation_id", "=", "jobs.evaluation_id"),
    )
    .select([
      "link.id",
      "jobs.attribute_json",
      "derivations.drv_path",
      "derivations.name",
      "derivations.system",
      "builds.state",
      "derivations.id as derivation_id",
      "builds.started_at",
      "builds.stopped_at",
      "jobs.created_at",
    ])
    .where("jobs.evaluation_id", "=", evaluationId)
    .orderBy("jobs.attribute_json")
    .execute();
}
