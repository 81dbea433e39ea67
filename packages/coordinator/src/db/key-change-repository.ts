import {
  organizationIdSchema,
  workerIdSchema,
  type OrganizationId,
  type WorkerId,
} from "@gradient/protocol";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";

/** Keys of one worker, in Nix's format. */
export interface WorkerKeys {
  readonly worker: string;
  /** The pinned one. */
  readonly key: string;
  /** Shown later, and refused until an administrator approves it. */
  readonly pendingKey: string | null;
  /** Milliseconds since the epoch. */
  readonly lastSeenAt: number;
}

function keysQuery(db: Queries) {
  return db
    .selectFrom("workers")
    .select([
      "id as worker",
      "public_key as key",
      "pending_public_key as pendingKey",
      "last_seen_at as lastSeenAt",
    ]);
}

/** Workers that have shown another key. */
export async function listPendingKeys(
  db: Queries,
): Promise<(WorkerKeys & { readonly pendingKey: string })[]> {
  const rows = await keysQuery(db)
    .where("pending_public_key", "is not", null)
    .orderBy("id")
    .execute();
  return rows.flatMap((row) =>
    row.pendingKey === null ? [] : [{ ...row, pendingKey: row.pendingKey }],
  );
}

/** Keys of these workers, by their ids. */
export async function findKeysOfWorkers(
  db: Queries,
  workers: readonly string[],
): Promise<Map<string, WorkerKeys>> {
  const keys = new Map<string, WorkerKeys>();
  for (const batch of batchesOf(workers)) {
    for (const row of await keysQuery(db).where("id", "in", batch).execute()) {
      keys.set(row.worker, row);
    }
  }
  return keys;
}

/** null for a worker that has never connected. */
export async function findWorkerKeys(db: Queries, worker: string): Promise<WorkerKeys | null> {
  return (await keysQuery(db).where("id", "=", worker).executeTakeFirst()) ?? null;
}

/** Pins the key in the place of the old one, whose signatures are then looked for. */
export async function pinKey(
  db: Queries,
  { worker, key: oldKey }: WorkerKeys,
  newKey: string,
): Promise<void> {
  await db
    .updateTable("workers")
    .set({ public_key: newKey, pending_public_key: null })
    .where("id", "=", worker)
    .execute();
  const row = { worker_id: worker, old_public_key: oldKey, cache_id: "", hash_part: "" };
  await db
    .insertInto("worker_key_changes")
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(["worker_id", "old_public_key"])
        .doUpdateSet({ cache_id: "", hash_part: "" }),
    )
    .execute();
}

/** An administrator refuses the key. The worker shows it again when it connects again, and then it waits once more. */
export async function forgetPendingKey(db: Queries, worker: string): Promise<void> {
  await db
    .updateTable("workers")
    .set({ pending_public_key: null })
    .where("id", "=", worker)
    .execute();
}

/** An approved change of a key, and how far the caches were looked through for what the old one has signed. */
export interface KeyChange {
  readonly worker: WorkerId;
  readonly oldKey: string;
  readonly cache: string;
  readonly hashPart: string;
}

/** The first by the worker's id; null when there is none. */
export async function findKeyChange(db: Queries): Promise<KeyChange | null> {
  const row = await db
    .selectFrom("worker_key_changes")
    .selectAll()
    .orderBy("worker_id")
    .orderBy("old_public_key")
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return null;
  return {
    worker: workerIdSchema.parse(row.worker_id),
    oldKey: row.old_public_key,
    cache: row.cache_id,
    hashPart: row.hash_part,
  };
}

/** Notes how far the caches were looked through: everything up to this cache and hash part is done. */
export async function setKeyChange(db: Queries, change: KeyChange): Promise<void> {
  await db
    .updateTable("worker_key_changes")
    .set({ cache_id: change.cache, hash_part: change.hashPart })
    .where("worker_id", "=", change.worker)
    .where("old_public_key", "=", change.oldKey)
    .execute();
}

/** All caches were looked through for what the old key has signed. */
export async function deleteKeyChange(db: Queries, change: KeyChange): Promise<void> {
  await db
    .deleteFrom("worker_key_changes")
    .where("worker_id", "=", change.worker)
    .where("old_public_key", "=", change.oldKey)
    .execute();
}

function cachesOfWorker(db: Queries, worker: WorkerId) {
  return db
    .selectFrom("worker_registrations as r")
    .innerJoin("cache_subscriptions as s", "s.organization_id", "r.organization_id")
    .where("r.worker_id", "=", worker)
    .where("r.active", "=", 1)
    .where("s.mode", "in", ["ReadWrite", "WriteOnly"])
    .orderBy("s.cache_id")
    .orderBy("s.organization_id");
}

/** The first cache behind that id in which one of the worker's organizations publishes. */
export async function nextCacheOfWorker(
  db: Queries,
  worker: WorkerId,
  cache: string,
): Promise<string | null> {
  const row = await cachesOfWorker(db, worker)
    .select("s.cache_id as cache")
    .where("s.cache_id", ">", cache)
    .limit(1)
    .executeTakeFirst();
  return row?.cache ?? null;
}

/** One of the worker's organizations that publishes in the cache. */
export async function publisherOfCache(
  db: Queries,
  worker: WorkerId,
  cache: string,
): Promise<OrganizationId | null> {
  const row = await cachesOfWorker(db, worker)
    .select("s.organization_id as organization")
    .where("s.cache_id", "=", cache)
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : organizationIdSchema.parse(row.organization);
}

/** Paths of a cache after a hash, in order, with whoever has signed them. */
export async function pathsAfter(
  db: Queries,
  cache: string,
  hashPart: string,
  limit: number,
): Promise<{ path: string; hashPart: string; signatures: readonly string[] }[]> {
  const rows = await db
    .selectFrom("cache_paths")
    .select(["path", "hash_part", "signatures_json"])
    .where("cache_id", "=", cache)
    .where("hash_part", ">", hashPart)
    .orderBy("hash_part")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    path: row.path,
    hashPart: row.hash_part,
    signatures: readJsonColumn(stringListSchema, row.signatures_json),
  }));
}
