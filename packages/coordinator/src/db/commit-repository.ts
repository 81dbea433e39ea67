import type { Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { CommitsTable } from "./evaluation-tables.ts";

export type Commit = Selectable<CommitsTable>;

/** By the UUID of the row: two evaluations of one commit have a row each. */
export function findCommit(db: Queries, id: string): Promise<Commit | undefined> {
  return db.selectFrom("commits").selectAll().where("id", "=", id).executeTakeFirst();
}

/** Organizations that evaluated the commit. */
export async function organizationsOfCommit(db: Queries, id: string): Promise<string[]> {
  const rows = await db
    .selectFrom("evaluations")
    .select("organization_id")
    .distinct()
    .where("commit_id", "=", id)
    .execute();
  return rows.map((row) => row.organization_id);
}
