import type { Insertable, Selectable } from "kysely";
import type { Queries } from "./client.ts";
import { offsetOf, type Page, type PageRequest } from "./page.ts";
import type { AuditEventsTable } from "./account-tables.ts";

export type StoredAuditEvent = Selectable<AuditEventsTable>;

/** In the transaction of what it tells of: neither is there without the other. */
export async function insertAuditEvent(
  db: Queries,
  event: Insertable<AuditEventsTable>,
): Promise<void> {
  await db.insertInto("audit_events").values(event).execute();
}

/** Removes at most `limit` of those that are older than `time` (milliseconds), the oldest first. */
export async function deleteAuditEventsBefore(
  db: Queries,
  time: number,
  limit: number,
): Promise<void> {
  await db
    .deleteFrom("audit_events")
    .where("id", "in", (old) =>
      old
        .selectFrom("audit_events")
        .select("id")
        .where("created_at", "<", time)
        .orderBy("created_at")
        .limit(limit),
    )
    .execute();
}

/** What one user did, newest first. */
export async function listAuditEvents(
  db: Queries,
  userId: string,
  page: PageRequest,
): Promise<Page<StoredAuditEvent>> {
  const query = db.selectFrom("audit_events").where("user_id", "=", userId);
  const items = await query
    .selectAll()
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(page.perPage)
    .offset(offsetOf(page))
    .execute();
  const { total } = await query
    .select((select) => select.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}
