import type { OrganizationId, WorkerId } from "@gradient/protocol";
import { organizationIdSchema, workerIdSchema } from "@gradient/protocol";
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
  size: { cores: number; memoryBytes: number },
  now: number,
): Promise<Admission> {
  const { cores, memoryBytes: memory_bytes } = size;
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
      cores,
      memory_bytes,
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
    .set((eb) => ({
      epoch: eb("epoch", "+", 1),
      last_seen_at: now,
      pending_public_key: null,
      cores,
      memory_bytes,
    }))
    .where("id", "=", worker)
    .returning("epoch")
    .executeTakeFirstOrThrow();
  return { isAdmitted: true, epoch };
}

/** Workers that may build for the organization and were seen since then, with the size that they had. */
export async function findAwayWorkers(
  db: Queries,
  organization: OrganizationId,
  since: number,
): Promise<{ worker: WorkerId; cores: number; memoryBytes: number }[]> {
  const rows = await db
    .selectFrom("worker_registrations")
    .innerJoin("workers", "workers.id", "worker_registrations.worker_id")
    .select(["workers.id", "workers.cores", "workers.memory_bytes"])
    .where("worker_registrations.organization_id", "=", organization)
    .where("worker_registrations.active", "=", 1)
    .where("worker_registrations.enable_build", "=", 1)
    .where("workers.last_seen_at", ">=", since)
    .execute();
  return rows.map(({ id, cores, memory_bytes }) => ({
    worker: workerIdSchema.parse(id),
    cores: cores ?? 0,
    memoryBytes: memory_bytes ?? 0,
  }));
}

/** `now` in milliseconds since the epoch. Harmless for a worker that is unknown. */
export async function markSeen(db: Queries, worker: WorkerId, now: number): Promise<void> {
  await db.updateTable("workers").set({ last_seen_at: now }).where("id", "=", worker).execute();
}
