import type { Insertable, Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { SessionsTable } from "./account-tables.ts";

export type Session = Selectable<SessionsTable>;

/** The row behind a session's token: without it, or with `revoked_at`, the token is worth nothing. */
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

/** Those that are neither revoked nor expired, newest first. */
export function listLiveSessions(db: Queries, userId: string, now: number): Promise<Session[]> {
  return db
    .selectFrom("sessions")
    .selectAll()
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", now)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .execute();
}

/** Those of a user that have ended by themselves. */
export async function deleteExpiredSessions(
  db: Queries,
  userId: string,
  now: number,
): Promise<void> {
  await db
    .deleteFrom("sessions")
    .where("user_id", "=", userId)
    .where("expires_at", "<=", now)
    .execute();
}

/** All sessions of the user, on whatever machine; API keys go on working. */
export async function revokeSessionsOf(db: Queries, userId: string, now: number): Promise<void> {
  await db
    .updateTable("sessions")
    .set({ revoked_at: now })
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .execute();
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
