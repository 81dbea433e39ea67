import type { Database, PreparedQuery } from "./client.ts";

/** An object as it was verified. */
export interface StoredNar {
  readonly narHash: string;
  readonly narSize: number;
  readonly fileHash: string;
  readonly fileSize: number;
}

export interface ShownPath {
  readonly cacheId: string;
  readonly hashPart: string;
  /** Base name. */
  readonly path: string;
}

/** What a check of the store reads; every query is bounded by what it is asked for. */
export class CheckView {
  readonly #nars: PreparedQuery<[string, number], StoredNar>;
  readonly #nar: PreparedQuery<[string], StoredNar>;
  readonly #paths: PreparedQuery<[string], ShownPath>;
  readonly #referrers: PreparedQuery<[string, string], { referrer: string }>;
  readonly #narHashes: PreparedQuery<[string, string], { narHash: string }>;
  readonly #shown: PreparedQuery<[string, string], { one: number }>;

  constructor(database: Pick<Database, "prepare">) {
    this.#nars = database.prepare(
      `select nar_hash as "narHash", nar_size as "narSize", file_hash as "fileHash", file_size as "fileSize"
       from nar_objects where nar_hash > ? order by nar_hash limit ?`,
    );
    this.#nar = database.prepare(
      `select nar_hash as "narHash", nar_size as "narSize", file_hash as "fileHash", file_size as "fileSize"
       from nar_objects where nar_hash = ?`,
    );
    this.#paths = database.prepare(
      `select cache_id as "cacheId", hash_part as "hashPart", path from cache_paths where nar_hash = ?`,
    );
    this.#referrers = database.prepare(
      "select referrer from cache_path_references where cache_id = ? and reference = ?",
    );
    this.#narHashes = database.prepare(
      `select p.nar_hash as "narHash" from json_each(?) wanted
       cross join cache_paths p on p.cache_id = ? and p.hash_part = wanted.value`,
    );
    this.#shown = database.prepare(
      "select 1 as one from cache_paths where cache_id = ? and hash_part = ?",
    );
  }

  /** Objects in order of their hashes. */
  narsAfter(narHash: string, limit: number): StoredNar[] {
    return this.#nars.all(narHash, limit);
  }

  /** By its hash, 52 characters of Nix base 32; null when nothing is known of it. */
  nar(narHash: string): StoredNar | null {
    return this.#nar.get(narHash) ?? null;
  }

  /** Where the NAR is shown. */
  pathsWith(narHash: string): ShownPath[] {
    return this.#paths.all(narHash);
  }

  /** Hash parts of what refers to a path in its cache. */
  referrers(cacheId: string, hashPart: string): string[] {
    return this.#referrers.all(cacheId, hashPart).map(({ referrer }) => referrer);
  }

  /** Of the paths with these hash parts that the cache has, hidden ones included; each once for each path. */
  narHashes(cacheId: string, hashParts: readonly string[]): string[] {
    return this.#narHashes.all(JSON.stringify(hashParts), cacheId).map(({ narHash }) => narHash);
  }

  /** Whether the cache has the path. */
  isShown(cacheId: string, hashPart: string): boolean {
    return this.#shown.get(cacheId, hashPart) !== undefined;
  }
}
