/** Row types of what belongs to caches beside their paths; tables.ts says how columns are to be read. */

type Flag = 0 | 1;

/** What a cache signs with, and has signed with. */
export interface CacheKeysTable {
  /** UUID version 7, but for a cache's first key: in the order in which they came. */
  id: string;
  cache_id: string;
  key_name: string;
  /** Base64 of the 32 bytes, without the name. */
  public_key: string;
  /** Sealed with the master key; null for one that signs no more. */
  private_key: string | null;
  /** removing: its signatures are being taken away. */
  state: "active" | "retired" | "removing";
  /** Whether every path of the cache had its signature at some time; only says something of active ones. */
  is_complete: Flag;
  created_at: number;
}

/** Caches whose paths do not all have the signatures of their keys. */
export interface CacheKeySweepsTable {
  cache_id: string;
  /** Everything up to it is done; empty text at first. */
  hash_part: string;
}

/** What uploaders leave beside paths, by its place in the cache: `log/NAME.drv`, `realisations/ID.doi`. */
export interface CacheDocumentsTable {
  cache_id: string;
  name: string;
  /** Packed with zstd. */
  body: Uint8Array;
  created_at: number;
}

/** The same requests of readers who are known, by day. */
export interface CacheReaderTrafficTable {
  cache_id: string;
  day_at: number;
  user_id: string;
  /** Empty for sessions. The key may be gone. */
  api_key_id: string;
  hits: number;
  misses: number;
  nar_requests: number;
  nar_bytes: number;
}

/** Requests for narinfos and NARs by hour. */
export interface CacheTrafficTable {
  cache_id: string;
  hour_at: number;
  hits: number;
  misses: number;
  nar_requests: number;
  nar_bytes: number;
}
