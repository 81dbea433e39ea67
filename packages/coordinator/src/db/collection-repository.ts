import { sql } from "kysely";
import type { Queries } from "./client.ts";
import { IS_ACTIVE } from "./roots-view.ts";

/** A path that went. */
export interface GonePath {
  readonly row: number;
  readonly path: string;
  /** Of its file. */
  readonly fileSize: number;
  /** Base names. */
  readonly referencesJson: string;
}

/** An object that went. */
export interface GoneNar {
  readonly narHash: string;
  readonly fileSize: number;
}

/** Forgets what caches were given of the NARs before that time and do not show: nothing holds them any more. */
export async function forgetHiddenFiles(
  db: Queries,
  narHashes: readonly string[],
  before: number,
): Promise<void> {
  await sql`
    delete from cache_nar_files
    where nar_hash in (select value from json_each(${JSON.stringify(narHashes)})) and created_at < ${before}
      and not exists (
        select 1 from cache_paths p
        where p.cache_id = cache_nar_files.cache_id and p.nar_hash = cache_nar_files.nar_hash)
  `.execute(db);
}

/** What may have come since it was found out what is kept. */
export interface RemovalGuard {
  readonly now: number;
  /** A path that came at this time or later stays. */
  readonly createdSince: number;
  /** A path that was fetched at this time or later stays. */
  readonly fetchedSince: number;
  /** What this evaluation or a later one is linked with stays. */
  readonly evaluationsFrom: string;
  /** Evaluations that were pinned at this time or later keep what they need. */
  readonly pinnedSince: number;
}

/**
 * Takes those of the paths out of their cache that nothing there refers to but one that goes as well, and that nobody has come to need meanwhile. To be called in a transaction:
 * what refers to each other goes at the same moment.
 */
export async function deleteUnneededPaths(
  db: Queries,
  rows: readonly number[],
  guard: RemovalGuard,
): Promise<GonePath[]> {
  let doomed = await findUnneeded(db, rows, guard);
  for (;;) {
    const needed = await findReferred(db, doomed);
    if (needed.size === 0) break;
    doomed = doomed.filter(({ row }) => !needed.has(row));
  }
  if (doomed.length === 0) return [];
  const { rows: gone } = await sql<GonePath & HeldNar>`
    delete from cache_paths where rowid in (select value from json_each(${rowsJson(doomed)}))
    returning rowid as row, path, references_json as "referencesJson", cache_id as "cacheId", nar_hash as "narHash",
      (select n.file_size from nar_objects n where n.nar_hash = cache_paths.nar_hash) as "fileSize"
  `.execute(db);
  await forgetFiles(db, gone, guard);
  return gone;
}

interface HeldNar {
  readonly cacheId: string;
  readonly narHash: string;
}

/** Forgets what the caches were given of these NARs, so that nothing holds them any more. One that has just come again is about to be shown. */
async function forgetFiles(
  db: Queries,
  held: readonly HeldNar[],
  { createdSince }: RemovalGuard,
): Promise<void> {
  const nars = JSON.stringify(held.map(({ cacheId, narHash }) => [cacheId, narHash]));
  await sql`
    delete from cache_nar_files where rowid in (
      select f.rowid from json_each(${nars}) given
      cross join cache_nar_files f on f.nar_hash = given.value ->> 1 and f.cache_id = given.value ->> 0
      where f.created_at < ${createdSince}
        and not exists (select 1 from cache_paths p where p.cache_id = f.cache_id and p.nar_hash = f.nar_hash))
  `.execute(db);
}

interface Doomed {
  readonly row: number;
  readonly hashPart: string;
}

function rowsJson(paths: readonly Doomed[]): string {
  return JSON.stringify(paths.map(({ row }) => row));
}

async function findUnneeded(
  db: Queries,
  rows: readonly number[],
  guard: RemovalGuard,
): Promise<Doomed[]> {
  const { rows: unneeded } = await sql<Doomed>`
    select cache_paths.rowid as row, cache_paths.hash_part as "hashPart"
    from json_each(${JSON.stringify(rows)}) given cross join cache_paths on cache_paths.rowid = given.value
    where cache_paths.created_at < ${guard.createdSince}
      and (last_fetched_at is null or last_fetched_at < ${guard.fetchedSince})
      and not exists (
        select 1 from cache_pins n
        where n.cache_id = cache_paths.cache_id and n.path = cache_paths.path
          and (n.until is null or n.until > ${guard.now}))
      and not exists (
        select 1 from derivation_outputs o
        cross join builds b on b.derivation_id = o.derivation_id
        cross join evaluation_builds e on e.build_id = b.id and e.evaluation_id >= ${guard.evaluationsFrom}
        where o.path = cache_paths.path)
      and not exists (
        select 1 from cache_pins n
        cross join derivation_outputs o on o.path = cache_paths.path
        cross join builds b on b.derivation_id = o.derivation_id
        cross join evaluation_builds e on e.evaluation_id = n.evaluation_id and e.build_id = b.id
        where n.cache_id = cache_paths.cache_id and n.path is null and n.created_at >= ${guard.pinnedSince})
      and cache_paths.path not in (
        select source_path from evaluations where ${sql.raw(IS_ACTIVE)} and source_path is not null)
  `.execute(db);
  return unneeded;
}

/** Rows of those of the paths that one refers to which is not among them. */
async function findReferred(db: Queries, doomed: readonly Doomed[]): Promise<Set<number>> {
  const hashParts = JSON.stringify(doomed.map(({ hashPart }) => hashPart));
  const { rows } = await sql<{ row: number }>`
    select p.rowid as row
    from json_each(${rowsJson(doomed)}) given cross join cache_paths p on p.rowid = given.value
    where exists (
      select 1 from cache_path_references r
      where r.cache_id = p.cache_id and r.reference = p.hash_part
        and r.referrer not in (select value from json_each(${hashParts})))
  `.execute(db);
  return new Set(rows.map(({ row }) => row));
}

/** Removes those of the objects that nothing shows, that no cache was given, and that no organization has uploaded of late. */
export async function deleteUnusedNars(
  db: Queries,
  narHashes: readonly string[],
): Promise<GoneNar[]> {
  if (narHashes.length === 0) return [];
  const { rows } = await sql<GoneNar>`
    delete from nar_objects
    where nar_hash in (select value from json_each(${JSON.stringify(narHashes)}))
      and not exists (select 1 from cache_paths p where p.nar_hash = nar_objects.nar_hash)
      and not exists (select 1 from cache_nar_files f where f.nar_hash = nar_objects.nar_hash)
      and not exists (select 1 from nar_possessions o where o.nar_hash = nar_objects.nar_hash)
    returning nar_hash as "narHash", file_size as "fileSize"
  `.execute(db);
  return rows;
}

/** Objects that are about to be shown are as good as new: what removes unused ones leaves them. */
export async function touchNars(
  db: Queries,
  narHashes: readonly string[],
  now: number,
): Promise<void> {
  if (narHashes.length === 0) return;
  await sql`
    update nar_objects set created_at = ${now}
    where nar_hash in (select value from json_each(${JSON.stringify(narHashes)}))
  `.execute(db);
}

/** The number from which on evaluations may need something that was not needed before: of the oldest that goes on, or of the next one. */
export async function firstOpenEvaluation(db: Queries, next: string): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    select id from evaluations where ${sql.raw(IS_ACTIVE)}
  `.execute(db);
  return rows.reduce((first, { id }) => (id < first ? id : first), next);
}

/** Takes those of the paths out of the cache that nothing there refers to. Resolves to their hash parts. */
export async function deleteUnreferredPaths(
  db: Queries,
  cacheId: string,
  hashParts: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ hashPart: string }>`
    delete from cache_paths
    where cache_id = ${cacheId} and hash_part in (select value from json_each(${JSON.stringify(hashParts)}))
      and not exists (
        select 1 from cache_path_references r
        where r.cache_id = cache_paths.cache_id and r.reference = cache_paths.hash_part)
    returning hash_part as "hashPart"
  `.execute(db);
  return rows.map(({ hashPart }) => hashPart);
}

/** Forgets an object that nothing shows, and that somebody was given or has uploaded it. */
export async function deleteNar(db: Queries, narHash: string): Promise<void> {
  await db.deleteFrom("nar_possessions").where("nar_hash", "=", narHash).execute();
  await db.deleteFrom("cache_nar_files").where("nar_hash", "=", narHash).execute();
  await db.deleteFrom("nar_objects").where("nar_hash", "=", narHash).execute();
}
