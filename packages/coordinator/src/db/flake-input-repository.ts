import type { InputOverride } from "@gradient/protocol";
import type { Insertable, Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { ProjectFlakeInputsTable } from "./evaluation-tables.ts";

export type FlakeInput = Selectable<ProjectFlakeInputsTable>;

/** In the order of names. */
export function listFlakeInputs(db: Queries, projectId: string): Promise<FlakeInput[]> {
  return db
    .selectFrom("project_flake_inputs")
    .selectAll()
    .where("project_id", "=", projectId)
    .orderBy("input_name")
    .execute();
}

/** As evaluations have them. */
export async function listInputOverrides(db: Queries, projectId: string): Promise<InputOverride[]> {
  const rows = await listFlakeInputs(db, projectId);
  return rows.map(({ input_name: input, url }) => ({ input, url }));
}

/** Only one of this project: another's id finds nothing. */
export function findFlakeInput(
  db: Queries,
  projectId: string,
  id: string,
): Promise<FlakeInput | undefined> {
  return db
    .selectFrom("project_flake_inputs")
    .selectAll()
    .where("project_id", "=", projectId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Whether the project has one for the same input is for the caller to see to, in the same transaction. */
export async function insertFlakeInput(
  db: Queries,
  row: Insertable<ProjectFlakeInputsTable>,
): Promise<void> {
  await db.insertInto("project_flake_inputs").values(row).execute();
}

/** Evaluations that have begun keep what they began with. */
export async function updateFlakeInput(
  db: Queries,
  id: string,
  change: Pick<FlakeInput, "input_name" | "url" | "updated_at">,
): Promise<void> {
  await db.updateTable("project_flake_inputs").set(change).where("id", "=", id).execute();
}

/** From then on the input is what the lock file says. Harmless for one that is gone. */
export async function deleteFlakeInput(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("project_flake_inputs").where("id", "=", id).execute();
}
