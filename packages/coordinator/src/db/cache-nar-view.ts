import { sql } from "kysely";
import { numberOf } from "./cache-number.ts";
import type { Queries } from "./client.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";
import { offsetOf, type Page, type PageRequest } from "./page.ts";

/** A path in a cache, as lists show it. Times are milliseconds. */
export interface ListedNar {
  hash: string;
  path: string;
  narSize: number | null;
  fileSize: number | null;
  createdAt: number;
  lastFetchedAt: number | null;
}

/** The same with everything that is known of it. Hashes are 52 characters of Nix base 32, paths base names. */
export interface ShownNar extends ListedNar {
  narHash: string;
  fileHash: string;
  references: string[];
  deriver: string | null;
  ca: string | null;
  fetchCount: number;
  isSigned: boolean;
}

export interface NarListRequest {
  /** First characters of the hash part. */
  hashPrefix: string | null;
  /** Occurs in the name, whatever the case of its letters. */
  packageText: string | null;
  sort: "created_at" | "nar_size" | "last_fetched_at";
  order: "asc" | "desc";
  page: PageRequest;
}

/** Past every character of a hash part. */
const AFTER_HASHES = "~";

/** Of whatever cache. */
function matching(db: Queries, { hashPrefix, packageText }: NarListRequest) {
  return db
    .selectFrom("cache_paths as p")
    .$if(hashPrefix !== null, (query) =>
      query
        .where("p.hash_part", ">=", hashPrefix ?? "")
        .where("p.hash_part", "<", `${hashPrefix ?? ""}${AFTER_HASHES}`),
    )
    .$if(packageText !== null, (query) => query.where(nameHas(packageText ?? "")));
}

/** In no order. Only the index of names has numbers of caches. */
function found(db: Queries, cacheId: string, request: NarListRequest) {
  const query = matching(db, request);
  return request.hashPrefix === null
    ? query.where("p.cache_number", "=", numberOf(cacheId))
    : query.where("p.cache_id", "=", cacheId);
}

/** Of more paths with a name, the first ones in the order are soon found. Fewer are found by the name and then put in order. */
const FEW = 1000;

/** Row numbers of the paths that match; null when they are not few. */
async function fewNamed(
  db: Queries,
  cacheId: string,
  request: NarListRequest,
): Promise<number[] | null> {
  if (request.packageText === null) return null;
  const rows = await found(db, cacheId, request)
    .select(sql<number>`p.rowid`.as("row"))
    .limit(FEW + 1)
    .execute();
  return rows.length > FEW ? null : rows.map(({ row }) => row);
}

/** As the index of names has them. */
function nameHas(text: string) {
  return sql<boolean>`instr(lower(substr(p.path, 34)), ${text.toLowerCase()}) > 0`;
}

/** One page of the paths, and how many there are. */
export async function listNars(
  db: Queries,
  cacheId: string,
  request: NarListRequest,
): Promise<Page<ListedNar>> {
  const { page, sort, order } = request;
  const few = await fewNamed(db, cacheId, request);
  const query =
    few === null
      ? matching(db, request).where("p.cache_id", "=", cacheId).orderBy(`p.${sort}`, order)
      : db
          .selectFrom("cache_paths as p")
          .where(sql<boolean>`p.rowid in (select value from json_each(${JSON.stringify(few)}))`)
          // The plus keeps the database from reading all in this order to find the few.
          .orderBy(sql`+${sql.ref(`p.${sort}`)}`, order);
  const items = await query
    .select(["p.hash_part as hash", "p.path", "p.nar_size as narSize", "p.file_size as fileSize"])
    .select(["p.created_at as createdAt", "p.last_fetched_at as lastFetchedAt"])
    .orderBy("p.hash_part", order)
    .limit(page.perPage)
    .offset(offsetOf(page))
    .execute();
  return { items, total: few?.length ?? (await countAll(db, cacheId, request)) };
}

async function countAll(db: Queries, cacheId: string, request: NarListRequest): Promise<number> {
  const { hashPrefix, packageText } = request;
  const isFiltered = hashPrefix !== null || packageText !== null;
  return isFiltered ? countMatching(db, cacheId, request) : (await totalsOf(db, cacheId)).paths;
}

async function countMatching(
  db: Queries,
  cacheId: string,
  request: NarListRequest,
): Promise<number> {
  const { total } = await found(db, cacheId, request)
    .select((select) => select.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  return Number(total);
}

export interface CacheTotals {
  paths: number;
  narBytes: number;
  /** What its limit is compared with. */
  storedBytes: number;
}

/** What a cache shows in all, and what it takes. */
async function totalsOf(db: Queries, cacheId: string): Promise<CacheTotals> {
  const row = await db
    .selectFrom("cache_totals")
    .select(["paths", "nar_bytes as narBytes", "stored_bytes as storedBytes"])
    .where("cache_id", "=", cacheId)
    .executeTakeFirst();
  return row ?? { paths: 0, narBytes: 0, storedBytes: 0 };
}

/** Totals, and the newest path and the one whose last fetch is the longest ago. Times are milliseconds. */
export async function findNarStats(
  db: Queries,
  cacheId: string,
): Promise<CacheTotals & { lastUploadedAt: number | null; oldestFetchedAt: number | null }> {
  const newest = await db
    .selectFrom("cache_paths")
    .select("created_at")
    .where("cache_id", "=", cacheId)
    .orderBy("created_at", "desc")
    .limit(1)
    .executeTakeFirst();
  const oldest = await db
    .selectFrom("cache_paths")
    .select("last_fetched_at")
    .where("cache_id", "=", cacheId)
    .where("last_fetched_at", "is not", null)
    .orderBy("last_fetched_at")
    .limit(1)
    .executeTakeFirst();
  return {
    ...(await totalsOf(db, cacheId)),
    lastUploadedAt: newest?.created_at ?? null,
    oldestFetchedAt: oldest?.last_fetched_at ?? null,
  };
}

/** By the 32 characters of the store path's hash. Also one that is hidden because a signature is missing: `isSigned` tells. */
export async function findNar(
  db: Queries,
  cacheId: string,
  hashPart: string,
): Promise<ShownNar | undefined> {
  const row = await db
    .selectFrom("cache_paths as p")
    .innerJoin("nar_objects as n", "n.nar_hash", "p.nar_hash")
    .select(["p.hash_part as hash", "p.path", "n.nar_size as narSize", "n.file_size as fileSize"])
    .select(["p.created_at as createdAt", "p.last_fetched_at as lastFetchedAt"])
    .select(["n.nar_hash as narHash", "n.file_hash as fileHash", "p.deriver", "p.ca"])
    .select(["p.references_json", "p.is_hidden", "p.fetch_count as fetchCount"])
    .where("p.cache_id", "=", cacheId)
    .where("p.hash_part", "=", hashPart)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { references_json: references, is_hidden: isHidden, ...rest } = row;
  return {
    ...rest,
    references: readJsonColumn(stringListSchema, references),
    isSigned: isHidden === 0,
  };
}
