import { sql } from "kysely";
import type { NamedProduct } from "../nar-contents/build-products.ts";
import { insertBuildProducts } from "./build-product-repository.ts";
import type { Database, PreparedQuery, Queries } from "./client.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";
import { listed, reusable } from "./reusable-query.ts";

/** Verified bytes on disk. Hashes are 52 characters of Nix base 32. */
export interface NarObject {
  readonly narHash: string;
  readonly narSize: number;
  readonly fileHash: string;
  readonly fileSize: number;
  /** Every run of 32 characters in the NAR that could be a reference; null when there were too many to keep. */
  readonly foundHashes: readonly string[] | null;
}

/** An object on its way in. */
export interface NewNarObject extends NarObject {
  readonly buildProducts: readonly NamedProduct[];
}

type ObjectRow = Omit<NarObject, "foundHashes"> & { readonly foundHashesJson: string | null };

const insertObjects = reusable(
  (_db, objects: readonly ObjectRow[], now: number) => sql<unknown>`
    insert into nar_objects (nar_hash, nar_size, file_hash, file_size, compression, found_hashes_json, created_at)
    select o.value ->> 'narHash', o.value ->> 'narSize', o.value ->> 'fileHash', o.value ->> 'fileSize', 'zstd',
      o.value ->> 'foundHashesJson', ${now}
    from json_each(${objects}) o where true
    on conflict (nar_hash) do nothing`,
);

/** Adds what is not there yet. The first of two uploads of the same NAR stays. */
export async function insertNarObjects(
  db: Queries,
  objects: readonly NewNarObject[],
  now: number,
): Promise<void> {
  const rows = objects.map(({ narHash, narSize, fileHash, fileSize, foundHashes }) => {
    const foundHashesJson = foundHashes === null ? null : JSON.stringify(foundHashes);
    return { narHash, narSize, fileHash, fileSize, foundHashesJson };
  });
  await insertObjects(db, rows, now);
  await insertBuildProducts(db, objects);
}

/**
 * The NAR's bytes were stored anew, in a file that may be another one. Caches that show it go on answering by the name of the file before: clients
 * remember narinfos.
 */
export async function replaceNarFile(
  db: Queries,
  { narHash, fileHash, fileSize }: NarObject,
  now: number,
): Promise<void> {
  await db
    .insertInto("cache_nar_files")
    .columns(["cache_id", "file_hash", "compression", "file_size", "nar_hash", "created_at"])
    .expression((from) =>
      from
        .selectFrom("nar_objects as n")
        .innerJoin("cache_paths as p", "p.nar_hash", "n.nar_hash")
        .select(["p.cache_id", "n.file_hash", "n.compression", "n.file_size", "n.nar_hash"])
        .select((select) => select.val(now).as("created_at"))
        .distinct()
        .where("n.nar_hash", "=", narHash)
        .where("n.file_hash", "!=", fileHash),
    )
    .onConflict((conflict) => conflict.columns(["cache_id", "file_hash"]).doNothing())
    .execute();
  await db
    .updateTable("nar_objects")
    .set({ file_hash: fileHash, file_size: fileSize, compression: "zstd" })
    .where("nar_hash", "=", narHash)
    .execute();
}

/** Removes an object that nothing shows, that no cache was given, and that no organization has uploaded of late. False when it stays. */
export async function deleteUnusedNarObject(db: Queries, narHash: string): Promise<boolean> {
  const gone = await db
    .deleteFrom("nar_objects")
    .where("nar_hash", "=", narHash)
    .where((where) =>
      where.not(
        where.exists(
          where.selectFrom("cache_paths").select("path").where("nar_hash", "=", narHash),
        ),
      ),
    )
    .where((where) =>
      where.not(
        where.exists(
          where.selectFrom("cache_nar_files").select("file_hash").where("nar_hash", "=", narHash),
        ),
      ),
    )
    .where((where) =>
      where.not(
        where.exists(
          where.selectFrom("nar_possessions").select("nar_hash").where("nar_hash", "=", narHash),
        ),
      ),
    )
    .returning("nar_hash")
    .executeTakeFirst();
  return gone !== undefined;
}

const selectCount = reusable((db, narHashes: readonly string[]) =>
  db
    .selectFrom("nar_objects")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("nar_hash", "in", listed(narHashes)),
);

/** How many of the NARs are here, each counted once. */
export async function countNars(db: Queries, narHashes: readonly string[]): Promise<number> {
  const { rows } = await selectCount(db, narHashes);
  return rows[0]?.count ?? 0;
}

/** Whether any cache shows a path with this NAR (52 characters of Nix base 32), hidden paths included. */
export async function isNarShown(db: Queries, narHash: string): Promise<boolean> {
  const row = await db
    .selectFrom("cache_paths")
    .select("path")
    .where("nar_hash", "=", narHash)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

interface NarObjectRow {
  narHash: string;
  narSize: number;
  fileHash: string;
  fileSize: number;
  foundHashesJson: string | null;
}

/** The hot read of one object; null when there is none. */
export type FindNarObject = (narHash: string) => NarObject | null;

/** By the NAR's hash, 52 characters of Nix base 32. What the object store has is not looked at. */
export function prepareFindNarObject(database: Database): FindNarObject {
  const query: PreparedQuery<[string], NarObjectRow> = database.prepare(
    `select nar_hash as "narHash", nar_size as "narSize", file_hash as "fileHash", file_size as "fileSize",
            found_hashes_json as "foundHashesJson"
     from nar_objects where nar_hash = ?`,
  );
  return (narHash) => {
    const row = query.get(narHash);
    if (row === undefined) return null;
    const { foundHashesJson, ...object } = row;
    const foundHashes =
      foundHashesJson === null ? null : readJsonColumn(stringListSchema, foundHashesJson);
    return { ...object, foundHashes };
  };
}
