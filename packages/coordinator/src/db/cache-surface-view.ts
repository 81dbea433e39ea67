import type { Database, PreparedQuery } from "./client.ts";

/** Reads behind the binary cache, by prepared statements: they run for every request of every substituting client. */

export interface SurfaceCache {
  id: string;
  name: string;
  public: 0 | 1;
  active: 0 | 1;
  priority: number;
  local_priority: number | null;
}

/** A path as a cache shows it. Store paths are base names, hashes 52 characters of Nix base 32, the other columns JSON. */
export interface SurfacePath {
  path: string;
  nar_hash: string;
  nar_size: number;
  file_hash: string;
  file_size: number;
  compression: string;
  references_json: string;
  deriver: string | null;
  ca: string | null;
  signatures_json: string;
}

/** A NAR that a cache shows, and one of the paths that it shows it for. */
export interface SurfaceNar {
  nar_hash: string;
  file_hash: string;
  file_size: number;
  hash_part: string;
}

/** Paths that are hidden until they are signed are not found. Hash parts have 32 characters, hashes 52. Each method costs one look-up by index. */
export class CacheSurfaceView {
  readonly #cache: PreparedQuery<[name: string], SurfaceCache>;
  readonly #path: PreparedQuery<[cacheId: string, hashPart: string], SurfacePath>;
  readonly #nar: PreparedQuery<[cacheId: string, fileHash: string], SurfaceNar>;
  readonly #version: PreparedQuery<[], { data_version: number }>;
  readonly #narByHash: PreparedQuery<[cacheId: string, narHash: string], SurfaceNar>;

  constructor(database: Pick<Database, "prepare">) {
    this.#version = database.prepare("pragma data_version");
    this.#cache = database.prepare(
      "select id, name, public, active, priority, local_priority from caches where name = ?",
    );
    this.#path = database.prepare(
      `select p.path, p.nar_hash, n.nar_size, n.file_hash, n.file_size, n.compression,
         p.references_json, p.deriver, p.ca, p.signatures_json
       from cache_paths p join nar_objects n on n.nar_hash = p.nar_hash
       where p.cache_id = ? and p.hash_part = ? and p.is_hidden = 0`,
    );
    // Crossed, so that it begins with the file: the cache may have a million paths.
    this.#nar = database.prepare(
      `select n.nar_hash, n.file_hash, n.file_size, p.hash_part
       from nar_objects n cross join cache_paths p on p.nar_hash = n.nar_hash
       where p.cache_id = ? and n.file_hash = ? and p.is_hidden = 0 limit 1`,
    );
    this.#narByHash = database.prepare(
      `select n.nar_hash, n.file_hash, n.file_size, p.hash_part
       from nar_objects n join cache_paths p on p.nar_hash = n.nar_hash
       where p.cache_id = ? and n.nar_hash = ? and p.is_hidden = 0 limit 1`,
    );
  }

  /** Changes with every commit, by whomever. */
  version(): number {
    return this.#version.get()?.data_version ?? Number.NaN;
  }

  /** Also a cache that is switched off or private: whoever asks has to look. */
  findCache(name: string): SurfaceCache | undefined {
    return this.#cache.get(name);
  }

  /** By the first 32 characters of its base name; undefined for a path that is hidden until it is signed. */
  findPath(cacheId: string, hashPart: string): SurfacePath | undefined {
    return this.#path.get(cacheId, hashPart);
  }

  /** Only when a path of this very cache has the NAR: bytes are never shown through a cache that does not hold them. */
  findNar(cacheId: string, fileHash: string): SurfaceNar | undefined {
    return this.#nar.get(cacheId, fileHash);
  }

  /** As findNar, by the hash of the NAR itself. */
  findNarByHash(cacheId: string, narHash: string): SurfaceNar | undefined {
    return this.#narByHash.get(cacheId, narHash);
  }
}
