import { sql } from "kysely";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";

/** From what is needed to what needs it; ids of nodes. */
export interface ClosureEdge {
  readonly source: string;
  readonly target: string;
}

/**
 * What the derivations need, directly or not, of everything that the organization has, whatever evaluation it is of. Found by breadth;
 * what needs more than `limit` derivations is not followed to its end.
 */
export async function listInputEdges(
  db: Queries,
  derivations: readonly number[],
  limit: number,
): Promise<{ input: number; dependent: number }[]> {
  const { rows } = await sql<{ input: number; dependent: number }>`
    with recursive needed(id) as (
      select value from json_each(${JSON.stringify(derivations)})
      union
      select derivation_inputs.input_id from needed
      cross join derivation_inputs on derivation_inputs.derivation_id = needed.id
      limit ${limit})
    select derivation_inputs.input_id as input, derivation_inputs.derivation_id as dependent
    from needed cross join derivation_inputs on derivation_inputs.derivation_id = needed.id
  `.execute(db);
  return rows;
}

export interface DerivationSize {
  readonly derivation: number;
  readonly drvPath: string;
  readonly name: string;
  /** Bytes of the NARs of its outputs, as far as caches of the organization show them; null when they show none. */
  readonly size: number | null;
}

/** Of derivations of this organization (row ids), in no order. Unknown ids are left out. */
export async function listDerivationSizes(
  db: Queries,
  organizationId: string,
  derivations: readonly number[],
): Promise<DerivationSize[]> {
  const caches = await readableCaches(db, organizationId);
  const { rows } = await sql<DerivationSize>`
    select d.id as derivation, d.drv_path as "drvPath", d.name, (
      select sum((
        select shown.nar_size from cache_paths shown
        where shown.cache_id in (select value from json_each(${JSON.stringify(caches)}))
          and shown.hash_part = substr(output.path, 1, 32) and shown.path = output.path
        limit 1))
      from derivation_outputs output where output.derivation_id = d.id) as size
    from json_each(${JSON.stringify(derivations)}) wanted cross join derivations d on d.id = wanted.value
    order by d.id
  `.execute(db);
  return rows;
}

/** Base names of the outputs that are known, by derivation. */
export async function listOutputPaths(
  db: Queries,
  derivations: readonly number[],
): Promise<Map<number, string[]>> {
  const paths = new Map<number, string[]>(derivations.map((id) => [id, []]));
  for (const batch of batchesOf(derivations)) {
    const rows = await db
      .selectFrom("derivation_outputs")
      .select(["derivation_id", "path"])
      .where("derivation_id", "in", batch)
      .orderBy("derivation_id")
      .orderBy("name")
      .execute();
    for (const { derivation_id: id, path } of rows) if (path !== null) paths.get(id)?.push(path);
  }
  return paths;
}

/** Size and references of the base names that a cache of the organization shows. */
export async function listReferences(
  db: Queries,
  organizationId: string,
  bases: readonly string[],
): Promise<Map<string, { size: number; references: readonly string[] }>> {
  const found = new Map<string, { size: number; references: readonly string[] }>();
  const caches = await readableCaches(db, organizationId);
  if (caches.length === 0) return found;
  for (const batch of batchesOf(bases)) {
    const rows = await db
      .selectFrom("cache_paths as shown")
      .innerJoin("nar_objects", "nar_objects.nar_hash", "shown.nar_hash")
      .select(["shown.path", "shown.references_json", "nar_objects.nar_size"])
      .where("shown.cache_id", "in", caches)
      .where(
        "shown.hash_part",
        "in",
        batch.map((base) => base.slice(0, 32)),
      )
      .where("shown.path", "in", batch)
      .execute();
    for (const row of rows) {
      const references = readJsonColumn(stringListSchema, row.references_json);
      found.set(row.path, { size: row.nar_size, references });
    }
  }
  return found;
}

async function readableCaches(db: Queries, organizationId: string): Promise<string[]> {
  const rows = await db
    .selectFrom("cache_subscriptions")
    .innerJoin("caches", "caches.id", "cache_subscriptions.cache_id")
    .select("caches.id")
    .where("cache_subscriptions.organization_id", "=", organizationId)
    .where("cache_subscriptions.mode", "!=", "WriteOnly")
    .where("caches.active", "=", 1)
    .execute();
  return rows.map(({ id }) => id);
}
