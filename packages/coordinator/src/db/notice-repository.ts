import type { Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { NoticesTable } from "./maintenance-tables.ts";

export type Notice = Selectable<NoticesTable>;

/** Tells a running coordinator of what is changed in the same transaction. */
export async function insertNotice(
  db: Queries,
  notice: Pick<Notice, "kind" | "subject">,
): Promise<void> {
  await db.insertInto("notices").values(notice).execute();
}

/** The oldest ones. */
export function listNotices(db: Queries, limit: number): Promise<Notice[]> {
  return db.selectFrom("notices").selectAll().orderBy("id").limit(limit).execute();
}

/** Those up to this one are done. */
export async function deleteNotices(db: Queries, upTo: number): Promise<void> {
  await db.deleteFrom("notices").where("id", "<=", upTo).execute();
}
