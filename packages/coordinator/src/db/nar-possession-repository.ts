import type { OrganizationId } from "@gradient/protocol";
import { batchesOf } from "./batches.ts";
import type { Database, PreparedQuery, Queries } from "./client.ts";

/** Notes that the organization has uploaded the whole bytes of the NARs, or was told that it need not. */
export async function insertPossessions(
  db: Queries,
  { organization, narHashes }: { organization: OrganizationId; narHashes: readonly string[] },
  now: number,
): Promise<void> {
  for (const batch of batchesOf(narHashes)) {
    const rows = batch.map((narHash) => ({
      organization_id: organization,
      nar_hash: narHash,
      created_at: now,
    }));
    await db
      .insertInto("nar_possessions")
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(["organization_id", "nar_hash"]).doUpdateSet({ created_at: now }),
      )
      .execute();
  }
}

/** What was published by now is possessed because a cache shows it; the rest is uploaded again when it is wanted. */
export async function deletePossessionsBefore(db: Queries, time: number): Promise<void> {
  await db.deleteFrom("nar_possessions").where("created_at", "<", time).execute();
}

/** Whether the organization has uploaded the NAR, not long ago. */
export type HasUploaded = (organization: OrganizationId, narHash: string) => boolean;

/** What was forgotten because it is long ago counts as not uploaded. */
export function prepareHasUploaded(database: Database): HasUploaded {
  const query: PreparedQuery<[string, string], { one: number }> = database.prepare(
    "select 1 as one from nar_possessions where organization_id = ? and nar_hash = ?",
  );
  return (organization, narHash) => query.get(organization, narHash) !== undefined;
}
