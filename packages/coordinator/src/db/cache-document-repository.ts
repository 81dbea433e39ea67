import { sql } from "kysely";
import type { Queries } from "./client.ts";

/** Stores what an uploader leaves beside the paths; the newest of a name stays. */
export async function putCacheDocument(
  db: Queries,
  document: { cacheId: string; name: string; body: Uint8Array; now: number },
): Promise<void> {
  const { cacheId, name, body, now } = document;
  await db
    .insertInto("cache_documents")
    .values({ cache_id: cacheId, name, body, created_at: now })
    .onConflict((conflict) =>
      conflict.columns(["cache_id", "name"]).doUpdateSet({ body, created_at: now }),
    )
    .execute();
}

/** Of the packed body; 0 when the cache has nothing of that name. */
export async function findDocumentBytes(
  db: Queries,
  cacheId: string,
  name: string,
): Promise<number> {
  const row = await db
    .selectFrom("cache_documents")
    .select(sql<number>`length(body)`.as("bytes"))
    .where("cache_id", "=", cacheId)
    .where("name", "=", name)
    .executeTakeFirst();
  return row?.bytes ?? 0;
}

/** The packed body; null when the cache has nothing of that name. */
export async function findCacheDocument(
  db: Queries,
  cacheId: string,
  name: string,
): Promise<Uint8Array | null> {
  const row = await db
    .selectFrom("cache_documents")
    .select("body")
    .where("cache_id", "=", cacheId)
    .where("name", "=", name)
    .executeTakeFirst();
  return row?.body ?? null;
}

/** A document in order of time. */
export interface TimedDocument {
  /** When the newest of its name came. */
  readonly at: number;
  readonly name: string;
}

/** What a document lies beside: as long as a cache has one of these, it has the document. None: nobody can read it. */
export interface DocumentOwner {
  /** Base name of a path. */
  readonly path?: string;
  /** Base name of the derivation that paths were built from. */
  readonly deriver?: string;
  /** File hash of a NAR, as its name has it. */
  readonly file?: string;
}

export type OwnedDocument = TimedDocument & DocumentOwner;

/** A document that belongs to nothing, and its packed bytes. */
export type Orphan = OwnedDocument & { readonly bytes: number };

/** `shownSince`: paths that came before that time and were built from a document's deriver were looked for already. */
export interface OrphanGuard {
  readonly cacheId: string;
  readonly shownSince: number;
}

/** Those of the documents that did not come anew and belong to nothing that the cache has. */
export async function findOrphans(
  db: Queries,
  guard: OrphanGuard,
  documents: readonly OwnedDocument[],
): Promise<Orphan[]> {
  const { rows } = await sql<{ at: number; bytes: number }>`
    select given.key as at, length(d.body) as bytes ${orphans(guard, documents)}
  `.execute(db);
  return rows.flatMap(({ at, bytes }) => {
    const document = documents[at];
    return document === undefined ? [] : [{ ...document, bytes }];
  });
}

/** Removes those that `findOrphans` would still find. To be called in a transaction. */
export async function deleteDocuments(
  db: Queries,
  guard: OrphanGuard,
  documents: readonly Orphan[],
): Promise<Orphan[]> {
  const found = await findOrphans(db, guard, documents);
  await sql`
    delete from cache_documents
    where cache_id = ${guard.cacheId}
      and name in (select value from json_each(${JSON.stringify(found.map(({ name }) => name))}))
  `.execute(db);
  return found;
}

/** By the index of their age: what else would be read of a row lies behind its body. */
function orphans({ cacheId, shownSince }: OrphanGuard, documents: readonly OwnedDocument[]) {
  return sql`
    from json_each(${JSON.stringify(documents)}) given
    cross join cache_documents d indexed by cache_documents_by_age
      on d.cache_id = ${cacheId} and d.created_at = given.value ->> 'at' and d.name = given.value ->> 'name'
    where not exists (
        select 1 from cache_paths p
        where p.cache_id = ${cacheId} and p.hash_part = substr(given.value ->> 'path', 1, 32)
          and p.path = given.value ->> 'path')
      and not exists (
        select 1 from cache_nar_files f
        where f.cache_id = ${cacheId} and f.file_hash = given.value ->> 'file')
      and not exists (
        select 1 from nar_objects n
        cross join cache_paths p on p.nar_hash = n.nar_hash and p.cache_id = ${cacheId}
        where n.file_hash = given.value ->> 'file')
      and coalesce(given.value ->> 'deriver', '') not in (
        select p.deriver from cache_paths p
        where p.cache_id = ${cacheId} and p.created_at >= ${shownSince} and p.deriver is not null)`;
}
