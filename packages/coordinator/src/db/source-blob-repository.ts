import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";

/** A file that an organization has uploaded. */
export interface SourceBlob {
  /** BLAKE3, 64 hexadecimal digits. */
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
}

/** Adds the blob, or notes that it was used. */
export async function putBlob(
  db: Queries,
  organization: string,
  blob: SourceBlob,
  now: number,
): Promise<void> {
  await db
    .insertInto("source_blobs")
    .values({ organization_id: organization, ...blob, last_used_at: now })
    .onConflict((conflict) =>
      conflict.columns(["organization_id", "hash"]).doUpdateSet({ last_used_at: now }),
    )
    .execute();
}

/** Those of the hashes that the organization has, with their sizes. */
export async function findBlobs(
  db: Queries,
  organization: string,
  hashes: Iterable<string>,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const batch of batchesOf(hashes)) {
    const rows = await db
      .selectFrom("source_blobs")
      .select(["hash", "size"])
      .where("organization_id", "=", organization)
      .where("hash", "in", batch)
      .execute();
    for (const { hash, size } of rows) found.set(hash, size);
  }
  return found;
}

/** Keeps the blobs for as long as if they had been uploaded now. */
export async function touchBlobs(
  db: Queries,
  organization: string,
  hashes: Iterable<string>,
  now: number,
): Promise<void> {
  for (const batch of batchesOf(hashes)) {
    await db
      .updateTable("source_blobs")
      .set({ last_used_at: now })
      .where("organization_id", "=", organization)
      .where("hash", "in", batch)
      .execute();
  }
}

/** Forgets the rows; the files are for the caller to remove. Harmless for hashes that are not there. */
export async function deleteBlobs(
  db: Queries,
  organization: string,
  hashes: Iterable<string>,
): Promise<void> {
  for (const batch of batchesOf(hashes)) {
    await db
      .deleteFrom("source_blobs")
      .where("organization_id", "=", organization)
      .where("hash", "in", batch)
      .execute();
  }
}

/** Bytes of all blobs of the organization. */
export async function sumBlobs(db: Queries, organization: string): Promise<number> {
  const row = await db
    .selectFrom("source_blobs")
    .select((eb) => eb.fn.sum("size").as("sum"))
    .where("organization_id", "=", organization)
    .executeTakeFirst();
  return Number(row?.sum ?? 0);
}

/** Blobs of the organization that nobody has used since that time, those that wait for the longest first. */
export function listBlobsBefore(
  db: Queries,
  organization: string,
  time: number,
): Promise<SourceBlob[]> {
  return db
    .selectFrom("source_blobs")
    .select(["hash", "size"])
    .where("organization_id", "=", organization)
    .where("last_used_at", "<", time)
    .orderBy("last_used_at")
    .execute();
}

/** Blobs of all organizations that nobody has used since that time, those that wait for the longest first; `limit` at most. */
export async function listOldBlobs(
  db: Queries,
  time: number,
  limit: number,
): Promise<{ organization: string; hash: string }[]> {
  return db
    .selectFrom("source_blobs")
    .select(["organization_id as organization", "hash"])
    .where("last_used_at", "<", time)
    .orderBy("last_used_at")
    .limit(limit)
    .execute();
}
