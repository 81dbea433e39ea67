import { organizationIdSchema, type OrganizationId } from "@gradient/protocol";
import { sql } from "kysely";
import type { Queries } from "./client.ts";

/** A cache that does not show yet all that the organization has. */
export interface Backfill {
  readonly organization: OrganizationId;
  readonly cache: string;
  /** Everything up to this derivation is done. */
  readonly lastDerivation: number;
}

/** Begins anew when the cache was being filled already. */
export async function insertBackfill(
  db: Queries,
  key: { organizationId: string; cacheId: string },
): Promise<void> {
  const row = {
    organization_id: key.organizationId,
    cache_id: key.cacheId,
    last_derivation_id: 0,
  };
  await db
    .insertInto("cache_backfills")
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(["organization_id", "cache_id"]).doUpdateSet({ last_derivation_id: 0 }),
    )
    .execute();
}

/** The cache is filled anew by every organization that publishes in it. */
export async function insertBackfillsOfCache(db: Queries, cacheId: string): Promise<void> {
  const writers = await db
    .selectFrom("cache_subscriptions")
    .select("organization_id")
    .where("cache_id", "=", cacheId)
    .where("mode", "in", ["ReadWrite", "WriteOnly"])
    .execute();
  for (const { organization_id: organizationId } of writers) {
    await insertBackfill(db, { organizationId, cacheId });
  }
}

/** One that can be gone on with: a cache that is switched off waits. */
export async function findBackfill(db: Queries): Promise<Backfill | null> {
  const row = await db
    .selectFrom("cache_backfills as b")
    .innerJoin("cache_subscriptions as s", (join) =>
      join
        .onRef("s.organization_id", "=", "b.organization_id")
        .onRef("s.cache_id", "=", "b.cache_id"),
    )
    .innerJoin("caches", "caches.id", "b.cache_id")
    .select(["b.organization_id", "b.cache_id", "b.last_derivation_id"])
    .where("s.mode", "in", ["ReadWrite", "WriteOnly"])
    .where("caches.active", "=", 1)
    .orderBy("b.organization_id")
    .orderBy("b.cache_id")
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return null;
  return {
    organization: organizationIdSchema.parse(row.organization_id),
    cache: row.cache_id,
    lastDerivation: row.last_derivation_id,
  };
}

/** Notes how far the cache is filled. Nothing happens when the subscription has ended meanwhile. */
export async function setBackfill(db: Queries, backfill: Backfill): Promise<void> {
  await db
    .updateTable("cache_backfills")
    .set({ last_derivation_id: backfill.lastDerivation })
    .where("organization_id", "=", backfill.organization)
    .where("cache_id", "=", backfill.cache)
    .execute();
}

/** The cache is filled, or the organization publishes in it no more. Harmless when it was not being filled. */
export async function deleteBackfill(
  db: Queries,
  key: { organizationId: string; cacheId: string },
): Promise<void> {
  await db
    .deleteFrom("cache_backfills")
    .where("organization_id", "=", key.organizationId)
    .where("cache_id", "=", key.cacheId)
    .execute();
}

/** Number of the newest derivation of anybody; 0 when there is none. */
export async function newestDerivation(db: Queries): Promise<number> {
  const row = await db
    .selectFrom("derivations")
    .select((select) => select.fn.max("id").as("id"))
    .executeTakeFirst();
  return row?.id ?? 0;
}

/** Base names of an organization's derivations in a range of numbers, of their outputs and of their sources. */
export async function pathsOfDerivations(
  db: Queries,
  organization: OrganizationId,
  range: { after: number; upTo: number },
): Promise<string[]> {
  // By number, not by the index of organizations: that one would read all that an organization has.
  const rows = await db
    .selectFrom("derivations")
    .select(["id", "drv_path"])
    .where("id", ">", range.after)
    .where("id", "<=", range.upTo)
    .where(sql<boolean>`+"organization_id" = ${organization}`)
    .execute();
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const outputs = await db
    .selectFrom("derivation_outputs")
    .select("path")
    .where("derivation_id", "in", ids)
    .execute();
  const sources = await db
    .selectFrom("derivation_sources")
    .select("path")
    .where("derivation_id", "in", ids)
    .execute();
  const bases = new Set(rows.map(({ drv_path }) => drv_path));
  for (const { path } of outputs) if (path !== null) bases.add(path);
  for (const { path } of sources) bases.add(path);
  return [...bases];
}

/** Base names of the trees that the organization's evaluations were made from. */
export async function pathsOfSources(db: Queries, organization: OrganizationId): Promise<string[]> {
  const rows = await db
    .selectFrom("evaluations")
    .select("source_path")
    .where("organization_id", "=", organization)
    .where("source_path", "is not", null)
    .distinct()
    .execute();
  return rows.flatMap(({ source_path: path }) => (path === null ? [] : [path]));
}
