import type { Database, PreparedQuery, SqlValue } from "./client.ts";
import type { TimedDocument } from "./cache-document-repository.ts";
import { RootsView } from "./roots-view.ts";

/*
 * What a garbage collection reads. Every query is bounded, so that each is a few milliseconds at most; lists go in as JSON. Paths are told by the number of
 * their row, which is small to remember. A number may be used again for a path that comes after the one with the greatest number went:
 * such a path is young, and whoever removes paths looks at their age again.
 */

/** Position in a list of paths in order of time. */
export interface Position {
  readonly at: number;
  readonly row: number;
}

/** A path in order of time. */
export interface TimedPath extends Position {
  readonly lastFetchedAt: number | null;
}

/** What would go. */
export interface PathToGo {
  readonly row: number;
  readonly path: string;
  readonly narHash: string;
  readonly fileSize: number;
}

/** An object, and whether nothing has used it for some time. */
export interface NarToGo {
  readonly narHash: string;
  readonly fileSize: number;
  readonly unused: 0 | 1;
}

export interface CacheToCollect {
  readonly id: string;
  readonly name: string;
  /** 0 for no limit. */
  readonly maxStorageGb: number;
}

export interface CacheTotals {
  readonly paths: number;
  /** What its limit is compared with. */
  readonly storedBytes: number;
}

/** What a collection reads before it removes something; whoever removes looks again, in the transaction. */
export class CollectionView {
  readonly roots: RootsView;
  readonly #rowsOfPaths: PreparedQuery<[string, string], TimedPath>;
  readonly #rowsOfDerivations: PreparedQuery<[string, string, string], { row: number }>;
  readonly #references: PreparedQuery<[string], { row: number }>;
  readonly #fetched: PreparedQuery<[string, number, number, number], Position>;
  readonly #created: PreparedQuery<[string, number, number, number], TimedPath>;
  readonly #derivers: PreparedQuery<
    [string, number, number, number],
    Position & { deriver: string | null }
  >;
  readonly #documents: PreparedQuery<[string, number, string, number, number], TimedDocument>;
  readonly #toGo: PreparedQuery<[string], PathToGo>;
  readonly #unusedNars: PreparedQuery<[number, number, string, number], NarToGo>;
  readonly #totals: PreparedQuery<[string], CacheTotals>;
  readonly #caches: PreparedQuery<[], CacheToCollect>;
  readonly #diskBytes: PreparedQuery<[], { storedBytes: number }>;

  constructor(database: Pick<Database, "prepare">) {
    this.roots = new RootsView(database);
    const prepare = <P extends readonly SqlValue[], R>(sql: string) => database.prepare<P, R>(sql);
    // `cross join` keeps the order: from the short list to the many paths.
    this.#rowsOfPaths = prepare(
      `select p.created_at as at, p.rowid as row, p.last_fetched_at as "lastFetchedAt" from json_each(?) wanted
       cross join cache_paths p on p.cache_id = ? and p.hash_part = substr(wanted.value, 1, 32)`,
    );
    this.#rowsOfDerivations = prepare(
      `with wanted(derivation) as (select value from json_each(?))
       select p.rowid as row from wanted cross join derivation_outputs o on o.derivation_id = wanted.derivation
         cross join cache_paths p on p.cache_id = ? and p.hash_part = substr(o.path, 1, 32)
       union all
       select p.rowid as row from wanted cross join derivations d on d.id = wanted.derivation
         cross join cache_paths p on p.cache_id = ? and p.hash_part = substr(d.drv_path, 1, 32)`,
    );
    this.#references = prepare(
      `select p.rowid as row from json_each(?) given
       cross join cache_paths r on r.rowid = given.value
       cross join json_each(r.references_json) reference
       cross join cache_paths p on p.cache_id = r.cache_id and p.hash_part = substr(reference.value, 1, 32)`,
    );
    this.#fetched = prepare(
      `select last_fetched_at as at, rowid as row from cache_paths
       where cache_id = ? and (last_fetched_at, rowid) > (?, ?) order by last_fetched_at, rowid limit ?`,
    );
    this.#created = prepare(
      `select created_at as at, rowid as row, last_fetched_at as "lastFetchedAt" from cache_paths
       where cache_id = ? and (created_at, rowid) < (?, ?) order by created_at desc, rowid desc limit ?`,
    );
    this.#derivers = prepare(
      `select created_at as at, rowid as row, deriver from cache_paths
       where cache_id = ? and (created_at, rowid) > (?, ?) order by created_at, rowid limit ?`,
    );
    this.#documents = prepare(
      `select created_at as at, name from cache_documents
       where cache_id = ? and (created_at, name) > (?, ?) and created_at < ? order by created_at, name limit ?`,
    );
    this.#toGo = prepare(
      `select p.rowid as row, p.path, p.nar_hash as "narHash", n.file_size as "fileSize" from json_each(?) given
       cross join cache_paths p on p.rowid = given.value
       cross join nar_objects n on n.nar_hash = p.nar_hash`,
    );
    this.#unusedNars = prepare(
      `select n.nar_hash as "narHash", n.file_size as "fileSize", n.created_at < ?
         and not exists (select 1 from cache_paths p where p.nar_hash = n.nar_hash)
         and not exists (select 1 from cache_nar_files f where f.nar_hash = n.nar_hash and f.created_at >= ?)
         and not exists (select 1 from nar_possessions o where o.nar_hash = n.nar_hash) as unused
       from nar_objects n where n.nar_hash > ? order by n.nar_hash limit ?`,
    );
    this.#totals = prepare(
      `select paths, stored_bytes as "storedBytes" from cache_totals where cache_id = ?`,
    );
    this.#caches = prepare(
      `select id, name, max_storage_gb as "maxStorageGb" from caches order by id`,
    );
    this.#diskBytes = prepare(`select stored_bytes as "storedBytes" from nar_totals where id = 1`);
  }

  /** Those of the base names that the cache shows. */
  positionsOf(cacheId: string, bases: readonly string[]): TimedPath[] {
    return this.#rowsOfPaths.all(JSON.stringify(bases), cacheId);
  }

  /** Rows of the derivations' files and of their outputs. */
  rowsOfDerivations(cacheId: string, derivations: readonly number[]): number[] {
    return rowsOf(this.#rowsOfDerivations.all(JSON.stringify(derivations), cacheId, cacheId));
  }

  /** Rows of what the paths refer to in their cache, some of them more than once. */
  references(rows: readonly number[]): number[] {
    return rowsOf(this.#references.all(JSON.stringify(rows)));
  }

  /** Paths that were fetched, from the position on. */
  fetchedAfter(cacheId: string, after: Position, limit: number): Position[] {
    return this.#fetched.all(cacheId, after.at, after.row, limit);
  }

  /** Paths in the order in which they came, the newest first. */
  createdBefore(cacheId: string, before: Position, limit: number): TimedPath[] {
    return this.#created.all(cacheId, before.at, before.row, limit);
  }

  /** What paths were built from, in the order in which they came. */
  deriversAfter(
    cacheId: string,
    after: Position,
    limit: number,
  ): (Position & { deriver: string | null })[] {
    return this.#derivers.all(cacheId, after.at, after.row, limit);
  }

  /** What lies beside the paths and came before that time, the oldest first. */
  documentsAfter(
    cacheId: string,
    after: TimedDocument,
    before: number,
    limit: number,
  ): TimedDocument[] {
    return this.#documents.all(cacheId, after.at, after.name, before, limit);
  }

  describe(rows: readonly number[]): PathToGo[] {
    return this.#toGo.all(JSON.stringify(rows));
  }

  /** Objects in order of their hashes, and whether nothing has used them since that time. */
  narsAfter(narHash: string, unusedSince: number, limit: number): NarToGo[] {
    return this.#unusedNars.all(unusedSince, unusedSince, narHash, limit);
  }

  totals(cacheId: string): CacheTotals {
    return this.#totals.get(cacheId) ?? { paths: 0, storedBytes: 0 };
  }

  caches(): CacheToCollect[] {
    return this.#caches.all();
  }

  /** Bytes of all stored files, and of what lies beside the paths of all caches. */
  diskBytes(): number {
    return this.#diskBytes.get()?.storedBytes ?? 0;
  }
}

function rowsOf(rows: readonly { row: number }[]): number[] {
  return rows.map(({ row }) => row);
}
