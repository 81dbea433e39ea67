import { v7 as uuidv7 } from "uuid";
import { z } from "zod";
import type { Queries } from "./client.ts";
import { readJsonColumn } from "./json-column.ts";

const filesSchema = z.array(
  z.object({ path: z.string(), hash: z.string(), size: z.number(), executable: z.boolean() }),
);

const NO_FILES = "[]";

/** A file of the tree that a session is about. */
export type ManifestFile = z.infer<typeof filesSchema>[number];

export interface BuildRequestSession {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string;
  readonly files: readonly ManifestFile[];
  readonly expiresAt: number;
  readonly isDispatched: boolean;
}

/** Resolves to the new session's id. */
export async function insertSession(
  db: Queries,
  session: Pick<BuildRequestSession, "organizationId" | "userId" | "files" | "expiresAt">,
  now: number,
): Promise<string> {
  const id = uuidv7();
  await db
    .insertInto("build_request_sessions")
    .values({
      id,
      organization_id: session.organizationId,
      user_id: session.userId,
      files_json: JSON.stringify(session.files),
      created_at: now,
      expires_at: session.expiresAt,
      dispatched_at: null,
    })
    .execute();
  return id;
}

/** Also one that has expired or was dispatched: `checkOpen` refuses those. */
export async function findSession(db: Queries, id: string): Promise<BuildRequestSession | null> {
  const row = await db
    .selectFrom("build_request_sessions")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return null;
  return {
    id: row.id,
    organizationId: row.organization_id,
    userId: row.user_id,
    files: readJsonColumn(filesSchema, row.files_json),
    expiresAt: row.expires_at,
    isDispatched: row.dispatched_at !== null,
  };
}

/** Sessions of an organization that can still be dispatched. */
export async function countOpenSessions(
  db: Queries,
  organization: string,
  now: number,
): Promise<number> {
  const { open } = await db
    .selectFrom("build_request_sessions")
    .select((select) => select.fn.countAll<number>().as("open"))
    .where("organization_id", "=", organization)
    .where("expires_at", ">", now)
    .where("dispatched_at", "is", null)
    .executeTakeFirstOrThrow();
  return open;
}

/** Marks the session as done, and forgets its files. False when somebody else was first. */
export async function dispatchSession(db: Queries, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("build_request_sessions")
    .set({ dispatched_at: now, files_json: NO_FILES })
    .where("id", "=", id)
    .where("dispatched_at", "is", null)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

/** Forgets the files of sessions that have expired: their lists may be long. */
export async function forgetExpiredFiles(db: Queries, now: number): Promise<void> {
  await db
    .updateTable("build_request_sessions")
    .set({ files_json: NO_FILES })
    .where("expires_at", "<=", now)
    .where("files_json", "<>", NO_FILES)
    .execute();
}

/** By the time at which they ended, milliseconds since the epoch. Uploaded files stay until nobody has used them for long. */
export async function deleteSessionsBefore(db: Queries, expiredBefore: number): Promise<void> {
  await db.deleteFrom("build_request_sessions").where("expires_at", "<", expiredBefore).execute();
}
