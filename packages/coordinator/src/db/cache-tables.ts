import type { Generated, GeneratedAlways } from "kysely";
import type { Flag } from "./flag.ts";

export interface CachesTable {
  id: string;
  name: string;
  display_name: string;
  description: string;
  active: Flag;
  priority: number;
  local_priority: number | null;
  public: Flag;
  max_storage_gb: number;
  managed: Flag;
  created_by: string;
  created_at: number;
  /** Of no other cache: what its paths are found by where the id would be too long. */
  number: Generated<number | null>;
}

export interface CacheMembersTable {
  cache_id: string;
  user_id: string;
  role: string;
}

export interface CacheSubscriptionsTable {
  organization_id: string;
  cache_id: string;
  mode: "ReadWrite" | "ReadOnly" | "WriteOnly";
  created_at: number;
  managed: Generated<Flag>;
}

/** Where a cache looks for paths that it does not have itself. */
export interface CacheUpstreamsTable {
  id: string;
  cache_id: string;
  /** internal: a cache of this server; http: any binary cache; gradient_proto: a cache of another server of this kind. */
  kind: "internal" | "http" | "gradient_proto";
  display_name: string;
  mode: "ReadWrite" | "ReadOnly" | "WriteOnly";
  /** null for an internal one. */
  url: string | null;
  /** As Nix's trusted-public-keys has it; only of kind http. */
  public_key: string | null;
  /** Only of kind internal. */
  upstream_cache_id: string | null;
  /** Name of the cache on the other server; only of kind gradient_proto. */
  remote_cache: string | null;
  /** Sealed with the master key; only of kind gradient_proto. */
  sealed_api_key: string | null;
  created_at: number;
}

/** Caches that do not show yet what an organization had built before it subscribed. */
export interface CacheBackfillsTable {
  organization_id: string;
  cache_id: string;
  /** Everything up to this derivation is done. */
  last_derivation_id: number;
}

export interface CachePathsTable {
  cache_id: string;
  hash_part: string;
  path: string;
  nar_hash: string;
  references_json: string;
  deriver: string | null;
  ca: string | null;
  /** The cache's own signature first, then the worker's. */
  signatures_json: string;
  /** 1: workers may have it, and clients are not shown it until something that is signed has it, too. */
  is_hidden: Generated<Flag>;
  created_at: number;
  last_fetched_at: number | null;
  fetch_count: number;
  /** That of its NAR, here to be sorted by. */
  nar_size: number | null;
  /** That of its NAR's file. A trigger on nar_objects changes it. */
  file_size: Generated<number | null>;
  /** Of its cache. */
  cache_number: Generated<number | null>;
}

/** Files with NARs as uploaders named and packed them. Before the first path shows the NAR they keep it from being removed. */
export interface CacheNarFilesTable {
  cache_id: string;
  file_hash: string;
  compression: string;
  file_size: number;
  nar_hash: string;
  created_at: number;
  /** 1: no path of the cache has shown its NAR yet. A trigger on cache_paths ends it. */
  is_waiting: Flag;
}

/** Hash parts: which path refers to which in a cache. Filled and emptied with cache_paths, by triggers. */
export interface CachePathReferencesTable {
  cache_id: string;
  reference: string;
  referrer: string;
}

/** What a cache shows in all; counted by triggers, and to be counted anew by one query. */
export interface CacheTotalsTable {
  cache_id: string;
  paths: number;
  nar_bytes: number;
  file_bytes: number;
  /** Of files that it was given and that no path has shown yet. */
  waiting_bytes: Generated<number>;
  /** Of what uploaders left beside the paths, packed. */
  document_bytes: Generated<number>;
  /** All of these: what the cache's limit is compared with. */
  stored_bytes: GeneratedAlways<number>;
}

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

/** Caches and what they show. */
export interface CacheTables {
  caches: CachesTable;
  cache_members: CacheMembersTable;
  cache_subscriptions: CacheSubscriptionsTable;
  cache_upstreams: CacheUpstreamsTable;
  cache_backfills: CacheBackfillsTable;
  cache_paths: CachePathsTable;
  cache_nar_files: CacheNarFilesTable;
  cache_path_references: CachePathReferencesTable;
  cache_totals: CacheTotalsTable;
  cache_documents: CacheDocumentsTable;
  cache_keys: CacheKeysTable;
  cache_key_sweeps: CacheKeySweepsTable;
  cache_reader_traffic: CacheReaderTrafficTable;
  cache_traffic: CacheTrafficTable;
}
