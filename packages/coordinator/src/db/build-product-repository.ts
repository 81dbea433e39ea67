import { sql } from "kysely";
import { z } from "zod";
import type { NamedProduct } from "../nar-contents/build-products.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import { readJsonColumn } from "./json-column.ts";

const productsSchema: z.ZodType<NamedProduct[]> = z.array(
  z.object({
    type: z.string(),
    subtype: z.string(),
    base: z.string(),
    names: z.array(z.string()),
    kind: z.enum(["file", "directory"]).nullable(),
    size: z.number().nullable(),
  }),
);

/** Keeps what NARs name as build products. What is known of a NAR already stays: the same bytes name the same. */
export async function insertBuildProducts(
  db: Queries,
  nars: readonly { narHash: string; buildProducts: readonly NamedProduct[] }[],
): Promise<void> {
  const naming = nars.filter(({ buildProducts }) => buildProducts.length > 0);
  for (const batch of batchesOf(naming)) {
    await db
      .insertInto("nar_build_products")
      .values(
        batch.map(({ narHash, buildProducts }) => ({
          nar_hash: narHash,
          products_json: JSON.stringify(buildProducts),
        })),
      )
      .onConflict((conflict) => conflict.column("nar_hash").doNothing())
      .execute();
  }
}

/** An output with the NAR that a cache of the organization shows for it. */
export interface ShownOutput {
  derivation: number;
  name: string;
  /** Base name; null before it is built, for an output that is addressed by its content. */
  path: string | null;
  /** null when no cache that the organization reads has it. */
  narHash: string | null;
  products: readonly NamedProduct[];
}

/** Outputs in the order of derivations and names. */
export async function listShownOutputs(
  db: Queries,
  organizationId: string,
  derivations: readonly number[],
): Promise<ShownOutput[]> {
  const outputs = new Map<string, ShownOutput>();
  for (const batch of batchesOf(derivations)) {
    const rows = await outputsQuery(db, organizationId)
      .leftJoin("nar_build_products as named", "named.nar_hash", "shown.nar_hash")
      .select([
        "output.derivation_id as derivation",
        "output.name",
        "output.path",
        "shown.nar_hash as narHash",
        "named.products_json",
      ])
      .where("output.derivation_id", "in", batch)
      .orderBy("output.derivation_id")
      .orderBy("output.name")
      .execute();
    for (const { products_json: text, ...row } of rows) {
      const key = `${row.derivation}/${row.name}`;
      // Several caches may show it: the same path, and mostly the same NAR.
      if (typeof outputs.get(key)?.narHash === "string") continue;
      const products = text === null ? [] : readJsonColumn(productsSchema, text);
      outputs.set(key, { ...row, products });
    }
  }
  return [...outputs.values()];
}

/** Those of the derivations with an output that names build products and is shown by a cache of the organization. */
export async function findWithProducts(
  db: Queries,
  organizationId: string,
  derivations: readonly number[],
): Promise<Set<number>> {
  const found = new Set<number>();
  for (const batch of batchesOf(derivations)) {
    // The cross joins keep SQLite from starting at all paths of a cache.
    const rows = await db
      .selectFrom("derivation_outputs as output")
      .crossJoin("cache_subscriptions as subscription")
      .crossJoin("cache_paths as shown")
      .crossJoin("nar_build_products as named")
      .innerJoin("caches", "caches.id", "subscription.cache_id")
      .select("output.derivation_id")
      .where("output.derivation_id", "in", batch)
      .where("subscription.organization_id", "=", organizationId)
      .where("subscription.mode", "!=", "WriteOnly")
      .where("caches.active", "=", 1)
      .whereRef("shown.cache_id", "=", "subscription.cache_id")
      .where("shown.hash_part", "=", sql<string>`substr("output"."path", 1, 32)`)
      .whereRef("shown.path", "=", "output.path")
      .whereRef("named.nar_hash", "=", "shown.nar_hash")
      .execute();
    for (const row of rows) found.add(row.derivation_id);
  }
  return found;
}

/** Each output once for every cache that the organization reads and that shows it; once with nulls when none does. */
function outputsQuery(db: Queries, organizationId: string) {
  const readable = db
    .selectFrom("cache_subscriptions as subscription")
    .innerJoin("caches", "caches.id", "subscription.cache_id")
    .select("subscription.cache_id")
    .where("subscription.organization_id", "=", organizationId)
    .where("subscription.mode", "!=", "WriteOnly")
    .where("caches.active", "=", 1);
  return db.selectFrom("derivation_outputs as output").leftJoin("cache_paths as shown", (join) =>
    join
      .on("shown.cache_id", "in", readable)
      .on("shown.hash_part", "=", sql<string>`substr("output"."path", 1, 32)`)
      .onRef("shown.path", "=", "output.path"),
  );
}
