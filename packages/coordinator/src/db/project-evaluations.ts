import { organizationIdSchema, type OrganizationId } from "@gradient/protocol";
import { sql } from "kysely";
import type { Queries } from "./client.ts";
import { evaluationOf, IS_ACTIVE, type Evaluation } from "./evaluation-repository.ts";
import type { ProjectsTable } from "./evaluation-tables.ts";

/** Active evaluations of a project's branches, or of one of its pull requests, oldest first. */
export async function findActiveOfProject(
  db: Queries,
  projectId: string,
  pullRequest: number | null,
): Promise<Evaluation[]> {
  const rows = await db
    .selectFrom("evaluations")
    .selectAll()
    .where("project_id", "=", projectId)
    .where(IS_ACTIVE)
    .where("pr_number", pullRequest === null ? "is" : "=", pullRequest)
    .orderBy("created_at")
    .execute();
  return rows.map(evaluationOf);
}

/** Active evaluations whose builds end when nobody follows them. */
export async function findClosableEvaluations(
  db: Queries,
): Promise<{ id: string; createdAt: number }[]> {
  return db
    .selectFrom("evaluations")
    .select(["id", "created_at as createdAt"])
    .where("ends_with_client", "=", sql.lit(1))
    .where("finished_at", "is", null)
    .execute();
}

/** Of any kind: of a branch or of a pull request, also one that waits to be allowed. */
export async function hasActiveEvaluation(db: Queries, projectId: string): Promise<boolean> {
  const row = await db
    .selectFrom("evaluations")
    .select("id")
    .where("project_id", "=", projectId)
    .where(IS_ACTIVE)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether a project's branches, or one of its pull requests, had an evaluation of the commit, however it ended. */
export async function hasEvaluationOf(
  db: Queries,
  of: { projectId: string; revision: string; pullRequest: number | null },
): Promise<boolean> {
  const row = await db
    .selectFrom("evaluations")
    .select("id")
    .where("project_id", "=", of.projectId)
    .where("revision", "=", of.revision)
    .where("pr_number", of.pullRequest === null ? "is" : "=", of.pullRequest)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Of a branch or of a pull request, whatever became of it; null when the project never had one. */
export async function findNewestOfProject(
  db: Queries,
  projectId: string,
): Promise<Evaluation | null> {
  const row = await db
    .selectFrom("evaluations")
    .selectAll()
    .where("project_id", "=", projectId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : evaluationOf(row);
}

/** What an evaluation takes over from its project. */
export interface ProjectToEvaluate {
  readonly name: string;
  readonly organization: OrganizationId;
  readonly repository: string;
  readonly wildcard: string;
  readonly isActive: boolean;
  readonly concurrency: ProjectsTable["concurrency"];
  /** Its settings have changed: the next evaluation runs even when the commit is the same. */
  readonly isForced: boolean;
  /** 0 to 9, lower is sooner. */
  readonly priority: number;
}

/** null for a project that is gone. */
export async function findProjectToEvaluate(
  db: Queries,
  projectId: string,
): Promise<ProjectToEvaluate | null> {
  const row = await db
    .selectFrom("projects")
    .select(["name", "organization_id", "repository", "wildcard"])
    .select(["active", "concurrency", "force_evaluation", "priority"])
    .where("id", "=", projectId)
    .executeTakeFirst();
  if (row === undefined) return null;
  const { organization_id, active, force_evaluation, ...project } = row;
  return {
    ...project,
    organization: organizationIdSchema.parse(organization_id),
    isActive: active === 1,
    isForced: force_evaluation === 1,
  };
}

/** An evaluation with the project's present settings has been started. */
export async function clearForced(db: Queries, projectId: string): Promise<void> {
  await db
    .updateTable("projects")
    .set({ force_evaluation: 0 })
    .where("id", "=", projectId)
    .where("force_evaluation", "=", 1)
    .execute();
}
