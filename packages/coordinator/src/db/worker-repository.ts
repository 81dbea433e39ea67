import type { OrganizationId, WorkerId } from "@gradient/protocol";
import { organizationIdSchema } from "@gradient/protocol";
import type { Queries } from "./client.ts";

/** What one organization has agreed to with one worker. */
export interface Registration {
  organization: OrganizationId;
  /** SHA-256, hexadecimal, of the token's text. */
  tokenHash: string;
  isFetchEnabled: boolean;
  isEvalEnabled: boolean;
  isBuildEnabled: boolean;
}

/** Active registrations of a worker, in the order in which they were made. */
export async function findActiveRegistrations(
  db: Queries,
  worker: WorkerId,
): Promise<Registration[]> {
  const rows = await db
    .selectFrom("worker_registrations")
    .select(["organization_id", "token_hash", "enable_fetch", "enable_eval", "enable_build"])
    .where("worker_id", "=", worker)
    .where("active", "=", 1)
    .orderBy("registered_at")
    .orderBy("organization_id")
    .execute();
  return rows.map((row) => ({
    organization: organizationIdSchema.parse(row.organization_id),
    tokenHash: row.token_hash,
    isFetchEnabled: row.enable_fetch === 1,
    isEvalEnabled: row.enable_eval === 1,
    isBuildEnabled: row.enable_build === 1,
  }));
}

/** The result of showing a key: the session's epoch, or the news that another key is pinned. */
export type Admission = { isAdmitted: true; epoch: number } | { isAdmitted: false };

/**
 * Pins the key of a worker that authenticates for the first time and counts its sessions up.
 * A key that differs from the pinned one is noted as pending and refused.
 */
export async function admitWorker(
  db: Queries,
  worker: WorkerId,
  publicKey: string,
  now: number,
): Promise<Admission> {
  const pinned = await db
    .selectFrom("workers")
    .select("public_key")
    .where("id", "=", worker)
    .executeTakeFirst();
  if (pinned === undefined) {
    const first = {
      id: worker,
      public_key: publicKey,
      pending_public_key: null,
      epoch: 1,
      last_seen_at: now,
    };
    await db.insertInto("workers").values(first).execute();
    return { isAdmitted: true, epoch: 1 };
  }
  if (pinned.public_key !== publicKey) {
    await db
      .updateTable("workers")
      .set({ pending_public_key: publicKey })
      .where("id", "=", worker)
      .execute();
    return { isAdmitted: false };
  }
  const { epoch } = await db
    .updateTable("workers")
    .set((eb) => ({ epoch: eb("epoch", "+", 1), last_seen_at: now, pending_public_key: null }))
    .where("id", "=", worker)
    .returning("epoch")
    .executeTakeFirstOrThrow();
  return { isAdmitted: true, epoch };
}

export async function markSeen(db: Queries, worker: WorkerId, now: number): Promise<void> {
  await db.updateTable("workers").set({ last_seen_at: now }).where("id", "=", worker).execute();
}
