import type { OrganizationId } from "@gradient/protocol";
import { sql } from "kysely";
import { batchesOf } from "./batches.ts";
import { numberOf } from "./cache-number.ts";
import type { Database, PreparedQuery, Queries } from "./client.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";
import { listed, reusable } from "./reusable-query.ts";

/** What a cache shows of one store path. Paths are base names, the NAR hash is 52 characters of Nix base 32. */
export interface CachedPath {
  readonly path: string;
  readonly narHash: string;
  readonly narSize: number;
  readonly references: readonly string[];
  readonly deriver: string | null;
  readonly ca: string | null;
  readonly signatures: readonly string[];
}

/** The first 32 characters of a base name. */
export function hashPartOf(base: string): string {
  return base.slice(0, 32);
}

const selectWritableCaches = reusable((db, organization: OrganizationId) =>
  db
    .selectFrom("cache_subscriptions")
    .innerJoin("caches", "caches.id", "cache_subscriptions.cache_id")
    .select("caches.id")
    .where("cache_subscriptions.organization_id", "=", organization)
    .where("cache_subscriptions.mode", "in", ["ReadWrite", "WriteOnly"])
    .where("caches.active", "=", 1)
    .orderBy("caches.id"),
);

/** Caches that the organization's work is published in. */
export async function findWritableCaches(
  db: Queries,
  organization: OrganizationId,
): Promise<string[]> {
  const { rows } = await selectWritableCaches(db, organization);
  return rows.map(({ id }) => id);
}

/** Public caches that the organization reads. */
export async function findPublicCachesOf(db: Queries, organization: string): Promise<string[]> {
  const rows = await db
    .selectFrom("cache_subscriptions")
    .innerJoin("caches", "caches.id", "cache_subscriptions.cache_id")
    .select("caches.id")
    .where("cache_subscriptions.organization_id", "=", organization)
    .where("cache_subscriptions.mode", "!=", "WriteOnly")
    .where("caches.active", "=", 1)
    .where("caches.public", "=", 1)
    .orderBy("caches.id")
    .execute();
  return rows.map(({ id }) => id);
}

/** Whether there is a cache that the organization's work is published in and read from again: without one nothing can be built. */
export async function hasWorkingCache(db: Queries, organization: OrganizationId): Promise<boolean> {
  const row = await db
    .selectFrom("cache_subscriptions")
    .innerJoin("caches", "caches.id", "cache_subscriptions.cache_id")
    .select("caches.id")
    .where("cache_subscriptions.organization_id", "=", organization)
    .where("cache_subscriptions.mode", "=", "ReadWrite")
    .where("caches.active", "=", 1)
    .executeTakeFirst();
  return row !== undefined;
}

/** A path on its way into one cache. */
export type NewCachedPath = Omit<CachedPath, "narSize">;

interface PathRow {
  readonly path: string;
  readonly narHash: string;
  readonly referencesJson: string;
  readonly deriver: string | null;
  readonly ca: string | null;
  readonly signaturesJson: string;
}

const insertPaths = reusable(
  (_db, cacheId: string, paths: readonly PathRow[], isHidden: 0 | 1, now: number) => sql<unknown>`
    insert into cache_paths (cache_id, hash_part, path, nar_hash, references_json, deriver, ca,
      signatures_json, is_hidden, created_at, nar_size, file_size, cache_number)
    select ${cacheId}, substr(p.value ->> 'path', 1, 32), p.value ->> 'path', p.value ->> 'narHash',
      p.value ->> 'referencesJson', p.value ->> 'deriver', p.value ->> 'ca',
      p.value ->> 'signaturesJson', ${isHidden}, ${now}, n.nar_size, n.file_size, ${numberOf(cacheId)}
    from json_each(${paths}) p left join nar_objects n on n.nar_hash = p.value ->> 'narHash' where true
    on conflict (cache_id, hash_part) do nothing`,
);

/** Shows paths in a cache, or holds them hidden. A path that the cache has already stays as it is. */
export async function insertCachedPaths(
  db: Queries,
  cacheId: string,
  paths: readonly NewCachedPath[],
  now: number,
  visibility: "shown" | "hidden" = "shown",
): Promise<void> {
  const rows = paths.map(({ path, narHash, references, deriver, ca, signatures }) => {
    const [referencesJson, signaturesJson] = [
      JSON.stringify(references),
      JSON.stringify(signatures),
    ];
    return { path, narHash, referencesJson, deriver, ca, signaturesJson };
  });
  await insertPaths(db, cacheId, rows, visibility === "hidden" ? 1 : 0, now);
}

/** Takes a path out of a cache. False when the cache does not show it. */
export async function deleteCachedPath(
  db: Queries,
  cacheId: string,
  hashPart: string,
): Promise<boolean> {
  const gone = await db
    .deleteFrom("cache_paths")
    .where("cache_id", "=", cacheId)
    .where("hash_part", "=", hashPart)
    .returning("hash_part")
    .executeTakeFirst();
  return gone !== undefined;
}

/** Base names of some paths of the cache that refer to a path, without itself. */
export async function findReferrers(
  db: Queries,
  cacheId: string,
  hashPart: string,
  limit: number,
): Promise<string[]> {
  const rows = await db
    .selectFrom("cache_path_references as r")
    .innerJoin("cache_paths as p", (join) =>
      join.onRef("p.cache_id", "=", "r.cache_id").onRef("p.hash_part", "=", "r.referrer"),
    )
    .select("p.path")
    .where("r.cache_id", "=", cacheId)
    .where("r.reference", "=", hashPart)
    .orderBy("r.referrer")
    .limit(limit)
    .execute();
  return rows.map(({ path }) => path);
}

const selectShown = reusable((db, cacheId: string, hashParts: readonly string[]) =>
  db
    .selectFrom("cache_paths")
    .select("path")
    .where("cache_id", "=", cacheId)
    .where("hash_part", "in", listed(hashParts)),
);

/** Those of the base names that the cache does not show. */
export async function findInvisible(
  db: Queries,
  cacheId: string,
  bases: Iterable<string>,
): Promise<string[]> {
  const invisible = new Set(bases);
  const { rows } = await selectShown(db, cacheId, [...invisible].map(hashPartOf));
  for (const { path } of rows) invisible.delete(path);
  return [...invisible];
}

/** Those of the base names that a cache shows which the organization reads. */
export async function findVisible(
  db: Queries,
  organization: OrganizationId,
  bases: Iterable<string>,
): Promise<Set<string>> {
  const visible = new Set<string>();
  for (const batch of batchesOf(bases)) {
    const rows = await db
      .selectFrom("cache_subscriptions as s")
      .innerJoin("caches as c", "c.id", "s.cache_id")
      .innerJoin("cache_paths as p", "p.cache_id", "s.cache_id")
      .select("p.path")
      .where("s.organization_id", "=", organization)
      .where("s.mode", "in", ["ReadWrite", "ReadOnly"])
      .where("c.active", "=", 1)
      .where("p.hash_part", "in", batch.map(hashPartOf))
      .execute();
    for (const { path } of rows) visible.add(path);
  }
  return visible;
}

/** A path as one cache shows it. */
export interface ShownPath extends CachedPath {
  readonly cache: string;
}

/** The base names as each of the caches shows them; nothing for those that a cache does not show. */
export async function findShownPaths(
  db: Queries,
  caches: readonly string[],
  bases: readonly string[],
): Promise<ShownPath[]> {
  const shown: ShownPath[] = [];
  for (const cache of caches) {
    for (const batch of batchesOf(bases)) {
      const rows = await db
        .selectFrom("cache_paths as p")
        .innerJoin("nar_objects as n", "n.nar_hash", "p.nar_hash")
        .select(["p.path", "p.nar_hash as narHash", "n.nar_size as narSize", "p.deriver", "p.ca"])
        .select(["p.references_json as referencesJson", "p.signatures_json as signaturesJson"])
        .where("p.cache_id", "=", cache)
        .where("p.hash_part", "in", batch.map(hashPartOf))
        .where("p.path", "in", batch)
        .execute();
      shown.push(...rows.map((row) => ({ ...cachedPathOf(row), cache })));
    }
  }
  return shown;
}

/** Paths of a cache after a hash part, in order. */
export async function shownPathsAfter(
  db: Queries,
  cache: string,
  hashPart: string,
  limit: number,
): Promise<ShownPath[]> {
  const rows = await db
    .selectFrom("cache_paths as p")
    .innerJoin("nar_objects as n", "n.nar_hash", "p.nar_hash")
    .select(["p.path", "p.nar_hash as narHash", "n.nar_size as narSize", "p.deriver", "p.ca"])
    .select(["p.references_json as referencesJson", "p.signatures_json as signaturesJson"])
    .where("p.cache_id", "=", cache)
    .where("p.hash_part", ">", hashPart)
    .orderBy("p.hash_part")
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...cachedPathOf(row), cache }));
}

/** In place of all that the path had, cache's and worker's, in the order in which its narinfo shows them. */
export async function setSignatures(
  db: Queries,
  { cache, path }: ShownPath,
  signatures: readonly string[],
): Promise<void> {
  await db
    .updateTable("cache_paths")
    .set({ signatures_json: JSON.stringify(signatures) })
    .where("cache_id", "=", cache)
    .where("hash_part", "=", hashPartOf(path))
    .execute();
}

interface CachedPathRow {
  path: string;
  narHash: string;
  narSize: number;
  referencesJson: string;
  deriver: string | null;
  ca: string | null;
  signaturesJson: string;
}

function cachedPathOf(row: CachedPathRow): CachedPath {
  const { referencesJson, signaturesJson, ...rest } = row;
  return {
    ...rest,
    references: readJsonColumn(stringListSchema, referencesJson),
    signatures: readJsonColumn(stringListSchema, signaturesJson),
  };
}

const FACTS = `p.path, p.nar_hash as "narHash", n.nar_size as "narSize", p.references_json as "referencesJson",
  p.deriver, p.ca, p.signatures_json as "signaturesJson"`;

/** A path as one of an organization's caches shows it. */
export interface OrganizationPath extends CachedPath {
  /** Names of the keys of that cache, which have signed the path, too. */
  readonly cacheKeyNames: readonly string[];
}

/** Hot reads of what caches show. They see what is committed. */
export interface CachedPathReads {
  /** Facts for a narinfo. */
  inCache(cacheId: string, hashPart: string): CachedPath | null;
  /** The same from whichever cache the organization may read. */
  ofOrganization(organization: OrganizationId, hashPart: string): OrganizationPath | null;
  /** Whether a cache that the organization may read holds a path with this NAR. */
  isNarVisible(organization: OrganizationId, narHash: string): boolean;
}

/** Facts of paths with their signatures, hidden ones included: the surface for clients reads elsewhere and hides them. */
export function prepareCachedPathReads(database: Database): CachedPathReads {
  const inCache: PreparedQuery<[string, string], CachedPathRow> = database.prepare(
    `select ${FACTS} from cache_paths p join nar_objects n on n.nar_hash = p.nar_hash
     where p.cache_id = ? and p.hash_part = ?`,
  );
  const ofOrganization: PreparedQuery<[string, string], CachedPathRow & { keyNamesJson: string }> =
    database.prepare(
      `select ${FACTS}, (select json_group_array(k.key_name) from cache_keys k where k.cache_id = c.id) as "keyNamesJson"
     from cache_subscriptions s
     join caches c on c.id = s.cache_id and c.active = 1
     join cache_paths p on p.cache_id = s.cache_id
     join nar_objects n on n.nar_hash = p.nar_hash
     where s.organization_id = ? and s.mode in ('ReadWrite', 'ReadOnly') and p.hash_part = ?
     order by s.mode desc, s.cache_id limit 1`,
    );
  const isNarVisible: PreparedQuery<[string, string], { one: number }> = database.prepare(
    `select 1 as one from cache_paths p
     join cache_subscriptions s on s.cache_id = p.cache_id
     join caches c on c.id = s.cache_id and c.active = 1
     where s.organization_id = ? and s.mode in ('ReadWrite', 'ReadOnly') and p.nar_hash = ? limit 1`,
  );
  return {
    inCache: (cacheId, hashPart) => {
      const row = inCache.get(cacheId, hashPart);
      return row === undefined ? null : cachedPathOf(row);
    },
    ofOrganization: (organization, hashPart) => {
      const row = ofOrganization.get(organization, hashPart);
      if (row === undefined) return null;
      const { keyNamesJson, ...facts } = row;
      const cacheKeyNames = readJsonColumn(stringListSchema, keyNamesJson);
      return { ...cachedPathOf(facts), cacheKeyNames };
    },
    isNarVisible: (organization, narHash) => isNarVisible.get(organization, narHash) !== undefined,
  };
}
