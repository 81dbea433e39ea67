import type { OrganizationId } from "@gradient/protocol";
import { sql } from "kysely";
import type { Database, PreparedQuery, Queries } from "./client.ts";
import { reusable } from "./reusable-query.ts";

const upsertPossessions = reusable(
  (_db, organization: OrganizationId, narHashes: readonly string[], now: number) => sql<unknown>`
    insert into nar_possessions (organization_id, nar_hash, created_at)
    select ${organization}, value, ${now} from json_each(${narHashes}) where true
    on conflict (organization_id, nar_hash) do update set created_at = excluded.created_at`,
);

/** Notes that the organization has uploaded the whole bytes of the NARs, or was told that it need not. */
export async function insertPossessions(
  db: Queries,
  { organization, narHashes }: { organization: OrganizationId; narHashes: readonly string[] },
  now: number,
): Promise<void> {
  await upsertPossessions(db, organization, narHashes, now);
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
