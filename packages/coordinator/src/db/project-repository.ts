import type { Insertable, Selectable, Updateable } from "kysely";
import type { Queries } from "./client.ts";
import { offsetOf, type Page, type PageRequest } from "./page.ts";
import type { ProjectsTable } from "./evaluation-tables.ts";

export type Project = Selectable<ProjectsTable>;

/** A project with its newest evaluation. */
export interface ProjectWithLast extends Project {
  last_evaluation: string | null;
  last_evaluation_status: string | null;
}

/** Stores a new project. False when the organization has one of that name. */
export async function insertProject(
  db: Queries,
  project: Insertable<ProjectsTable>,
): Promise<boolean> {
  const stored = await db
    .insertInto("projects")
    .values(project)
    .onConflict((conflict) => conflict.columns(["organization_id", "name"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  return stored !== undefined;
}

function projectQuery(db: Queries, organizationId: string) {
  return db
    .selectFrom("projects")
    .leftJoin("evaluations as last", (join) =>
      join.on((on) =>
        on(
          "last.id",
          "=",
          on
            .selectFrom("evaluations")
            .select("evaluations.id")
            .whereRef("evaluations.project_id", "=", "projects.id")
            .orderBy("evaluations.created_at", "desc")
            .orderBy("evaluations.id", "desc")
            .limit(1),
        ),
      ),
    )
    .selectAll("projects")
    .select(["last.id as last_evaluation", "last.state as last_evaluation_status"])
    .where("projects.organization_id", "=", organizationId);
}

/** With its newest evaluation, of a branch or of a pull request. */
export function findProject(
  db: Queries,
  organizationId: string,
  name: string,
): Promise<ProjectWithLast | undefined> {
  return projectQuery(db, organizationId).where("projects.name", "=", name).executeTakeFirst();
}

/** Oldest first; without the one that is called `hiddenName`. */
export async function listProjects(
  db: Queries,
  organizationId: string,
  hiddenName: string | null,
  page: PageRequest,
): Promise<Page<ProjectWithLast>> {
  const items = await projectQuery(db, organizationId)
    .where("projects.name", "!=", hiddenName ?? "")
    .orderBy("projects.created_at")
    .orderBy("projects.id")
    .limit(page.perPage)
    .offset(offsetOf(page))
    .execute();
  const { total } = await db
    .selectFrom("projects")
    .select((select) => select.fn.countAll<number>().as("total"))
    .where("organization_id", "=", organizationId)
    .where("name", "!=", hiddenName ?? "")
    .executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}

/** Names are taken within an organization. */
export async function isProjectName(
  db: Queries,
  organizationId: string,
  name: string,
): Promise<boolean> {
  const row = await db
    .selectFrom("projects")
    .select("id")
    .where("organization_id", "=", organizationId)
    .where("name", "=", name)
    .executeTakeFirst();
  return row !== undefined;
}

/** The next evaluation runs even when no commit came: another one is to be expected of it. */
export async function forceEvaluation(db: Queries, projectId: string): Promise<void> {
  await db
    .updateTable("projects")
    .set({ force_evaluation: 1 })
    .where("id", "=", projectId)
    .execute();
}

/** False when the new name is taken by another project of the organization. */
export async function updateProject(
  db: Queries,
  project: Pick<Project, "id" | "organization_id">,
  change: Updateable<ProjectsTable>,
): Promise<boolean> {
  if (change.name !== undefined) {
    const other = await db
      .selectFrom("projects")
      .select("id")
      .where("organization_id", "=", project.organization_id)
      .where("name", "=", change.name)
      .where("id", "!=", project.id)
      .executeTakeFirst();
    if (other !== undefined) return false;
  }
  await db
    .updateTable("projects")
    .set({ ...change, id: project.id })
    .where("id", "=", project.id)
    .execute();
  return true;
}

/** Takes its evaluations with it. Builds stay: they belong to the organization. */
export async function deleteProject(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("projects").where("id", "=", id).execute();
}

/** Whether another project of this server has the alias. */
export async function hasAlias(db: Queries, alias: string, exceptId: string): Promise<boolean> {
  const row = await db
    .selectFrom("projects")
    .select("id")
    .where("alias", "=", alias)
    .where("id", "!=", exceptId)
    .executeTakeFirst();
  return row !== undefined;
}
