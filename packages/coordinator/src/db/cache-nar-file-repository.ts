import { sql, type Insertable } from "kysely";
import type { Database, PreparedQuery, Queries } from "./client.ts";
import type { CacheNarFilesTable } from "./cache-tables.ts";

/** A file with a NAR as it was given to a cache. */
export interface CacheNarFile {
  readonly narHash: string;
  readonly narSize: number;
  readonly fileHash: string;
  readonly fileSize: number;
  readonly compression: string;
}

/** Notes a file that a cache was given. Once more is harmless: a file hash says all. */
export async function insertNarFile(
  db: Queries,
  file: Omit<Insertable<CacheNarFilesTable>, "is_waiting">,
): Promise<void> {
  const { cache_id: cacheId, nar_hash: narHash } = file;
  await db
    .insertInto("cache_nar_files")
    .values({
      ...file,
      is_waiting: sql`not exists (
        select 1 from cache_paths p where p.nar_hash = ${narHash} and p.cache_id = ${cacheId})`,
    })
    .onConflict((conflict) =>
      conflict.columns(["cache_id", "file_hash"]).doUpdateSet({ created_at: file.created_at }),
    )
    .execute();
}

/** Forgets the files of a NAR that the cache shows no path with. */
export async function deleteHiddenNarFiles(
  db: Queries,
  cacheId: string,
  narHash: string,
): Promise<void> {
  await db
    .deleteFrom("cache_nar_files")
    .where("cache_id", "=", cacheId)
    .where("nar_hash", "=", narHash)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom("cache_paths as p")
            .select("p.path")
            .where("p.cache_id", "=", cacheId)
            .where("p.nar_hash", "=", narHash),
        ),
      ),
    )
    .execute();
}

/** NARs that a cache was given in that time and shows no path with. */
export function findHiddenNarFiles(
  db: Queries,
  { after, before }: { after: number; before: number },
): Promise<{ cacheId: string; narHash: string }[]> {
  return db
    .selectFrom("cache_nar_files as f")
    .select(["f.cache_id as cacheId", "f.nar_hash as narHash"])
    .where("f.created_at", ">=", after)
    .where("f.created_at", "<", before)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom("cache_paths as p")
            .select("p.path")
            .whereRef("p.cache_id", "=", "f.cache_id")
            .whereRef("p.nar_hash", "=", "f.nar_hash"),
        ),
      ),
    )
    .execute();
}

/** Hot read: a file that a cache was given, shown or not. */
export type FindNarFile = (cacheId: string, fileHash: string) => CacheNarFile | null;

/** By the cache and the file's hash (52 characters of Nix base 32), as an uploaded narinfo names it. */
export function prepareFindNarFile(database: Pick<Database, "prepare">): FindNarFile {
  const query: PreparedQuery<[string, string], CacheNarFile> = database.prepare(
    `select f.nar_hash as "narHash", n.nar_size as "narSize", f.file_hash as "fileHash", f.file_size as "fileSize", f.compression
     from cache_nar_files f join nar_objects n on n.nar_hash = f.nar_hash
     where f.cache_id = ? and f.file_hash = ?`,
  );
  return (cacheId, fileHash) => query.get(cacheId, fileHash) ?? null;
}
