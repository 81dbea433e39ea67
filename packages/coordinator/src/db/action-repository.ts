import type { Insertable, Selectable, Updateable } from "kysely";
import type { ActionsTable } from "./action-tables.ts";
import type { Queries } from "./client.ts";

export type Action = Selectable<ActionsTable>;

/** Oldest first. */
export function listActions(db: Queries, projectId: string): Promise<Action[]> {
  return db
    .selectFrom("actions")
    .selectAll()
    .where("project_id", "=", projectId)
    .orderBy("created_at")
    .orderBy("id")
    .execute();
}

/** Only one of this project, with its sealed token. */
export function findAction(
  db: Queries,
  projectId: string,
  id: string,
): Promise<Action | undefined> {
  return db
    .selectFrom("actions")
    .selectAll()
    .where("id", "=", id)
    .where("project_id", "=", projectId)
    .executeTakeFirst();
}

/** False when the project has one of that name. */
export async function insertAction(
  db: Queries,
  action: Insertable<ActionsTable>,
): Promise<boolean> {
  const stored = await db
    .insertInto("actions")
    .values(action)
    .onConflict((conflict) => conflict.columns(["project_id", "name"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  return stored !== undefined;
}

/** False when the new name is taken. What waits to be delivered goes when the action is switched off. */
export async function updateAction(
  db: Queries,
  { id, project_id }: Pick<Action, "id" | "project_id">,
  change: Updateable<ActionsTable>,
): Promise<boolean> {
  if (change.name !== undefined) {
    const other = await db
      .selectFrom("actions")
      .select("id")
      .where("project_id", "=", project_id)
      .where("name", "=", change.name)
      .where("id", "!=", id)
      .executeTakeFirst();
    if (other !== undefined) return false;
  }
  await db.updateTable("actions").set(change).where("id", "=", id).execute();
  if (change.active !== 0) return true;
  await db
    .deleteFrom("action_deliveries")
    .where("action_id", "=", id)
    .where("due_at", "is not", null)
    .execute();
  return true;
}

/** With its deliveries. */
export async function deleteAction(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("actions").where("id", "=", id).execute();
}

/** The project leaves the forges that they name. */
export async function deleteStatusReports(db: Queries, projectId: string): Promise<void> {
  await db
    .deleteFrom("actions")
    .where("project_id", "=", projectId)
    .where("type", "=", "forge_status_report")
    .execute();
}
