import type { Insertable, Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { SessionsTable } from "./tables.ts";

export type Session = Selectable<SessionsTable>;

export async function insertSession(
  db: Queries,
  session: Insertable<SessionsTable>,
): Promise<void> {
  await db.insertInto("sessions").values(session).execute();
}

/** The session when it is neither revoked nor expired. */
export function findLiveSession(
  db: Queries,
  id: string,
  now: number,
): Promise<Session | undefined> {
  return db
    .selectFrom("sessions")
    .selectAll()
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", now)
    .executeTakeFirst();
}

/** Harmless on a session that is revoked already. */
export async function revokeSession(db: Queries, id: string, now: number): Promise<void> {
  await db
    .updateTable("sessions")
    .set({ revoked_at: now })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .execute();
}
