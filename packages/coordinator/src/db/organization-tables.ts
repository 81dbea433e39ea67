import type { Generated } from "kysely";
import type { Flag } from "./flag.ts";

export interface OrganizationsTable {
  id: string;
  name: string;
  display_name: string;
  description: string;
  public: Flag;
  hide_build_requests: Flag;
  /** What failed, or took too long, in an earlier evaluation is not built again. */
  reuse_build_failures: Generated<Flag>;
  reuse_build_timeouts: Generated<Flag>;
  ssh_public_key: string;
  /** Sealed with the master key. */
  ssh_private_key: string;
  managed: Flag;
  created_by: string;
  created_at: number;
}

export interface OrganizationMembersTable {
  organization_id: string;
  user_id: string;
  role: string;
}

/** Roles beside those that every organization and cache has. Members name their role. */
export interface RolesTable {
  id: string;
  /** Either this is set, or the cache. */
  organization_id: string | null;
  cache_id: string | null;
  name: string;
  permissions: number;
  managed: Flag;
  created_at: number;
}

export interface WorkerRegistrationsTable {
  organization_id: string;
  worker_id: string;
  display_name: string;
  url: string | null;
  /** SHA-256, hexadecimal, of the token's text. */
  token_hash: string;
  enable_fetch: Flag;
  enable_eval: Flag;
  enable_build: Flag;
  active: Flag;
  created_by: string | null;
  registered_at: number;
  managed: Generated<Flag>;
}

export interface WorkersTable {
  id: string;
  /** Pinned at the first authenticated connection. */
  public_key: string;
  /** A different key that the worker showed later and that waits for approval. */
  pending_public_key: string | null;
  /** Number of the newest authenticated session. */
  epoch: number;
  last_seen_at: number;
  /** Its size, as it told it last. */
  cores: Generated<number | null>;
  memory_bytes: Generated<number | null>;
}

/** Approved changes of a worker's key: what it signed with the old one is still to be listed for the new one. */
export interface WorkerKeyChangesTable {
  worker_id: string;
  old_public_key: string;
  /** How far the caches were looked through; empty text at first. */
  cache_id: string;
  hash_part: string;
}

/** Keys of ssh hosts as they were first seen. */
export interface KnownHostKeysTable {
  organization_id: string;
  /** As known_hosts names it. */
  host: string;
  /** Type and base64. */
  key: string;
  worker_id: string;
  seen_at: number;
}

/** Organizations, who belongs to them, and their workers. */
export interface OrganizationTables {
  organizations: OrganizationsTable;
  organization_members: OrganizationMembersTable;
  roles: RolesTable;
  worker_registrations: WorkerRegistrationsTable;
  workers: WorkersTable;
  worker_key_changes: WorkerKeyChangesTable;
  known_host_keys: KnownHostKeysTable;
}
