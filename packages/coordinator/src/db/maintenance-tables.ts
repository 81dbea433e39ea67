import type { Generated, GeneratedAlways } from "kysely";
import type { Flag } from "./flag.ts";

/** What a cache keeps although nobody fetches it: a path, or what an evaluation needs. */
export interface CachePinsTable {
  id: string;
  cache_id: string;
  /** Base name; null for a pinned evaluation. */
  path: string | null;
  evaluation_id: string | null;
  /** null for ever. */
  until: number | null;
  created_by: string | null;
  created_at: number;
}

/** Work that goes over everything that is stored. */
export interface MaintenanceTasksTable {
  id: string;
  kind: "collection" | "check";
  state: "queued" | "running" | "completed" | "failed";
  /** null for all caches. */
  cache_id: string | null;
  dry_run: Flag;
  repair: Flag;
  progress_json: string;
  error: string | null;
  requested_by: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
}

/** One row: what lies on the disk. */
export interface NarTotalsTable {
  id: 1;
  objects: number;
  file_bytes: number;
  /** Of what uploaders left beside the paths of all caches, packed. */
  document_bytes: Generated<number>;
  /** Both. */
  stored_bytes: GeneratedAlways<number>;
}

/** What another process has changed that the daemon has to be told; a row goes when it was. */
export interface NoticesTable {
  id: Generated<number>;
  kind: "worker" | "worker_key" | "caches_of" | "cache_keys" | "evaluation";
  /** Id of the worker, organization or evaluation; empty where there is none. */
  subject: string;
}

/** What garbage collections and checks know. */
export interface MaintenanceTables {
  cache_pins: CachePinsTable;
  maintenance_tasks: MaintenanceTasksTable;
  nar_totals: NarTotalsTable;
  notices: NoticesTable;
}
