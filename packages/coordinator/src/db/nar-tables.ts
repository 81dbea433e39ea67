import type { Generated } from "kysely";

export interface NarObjectsTable {
  nar_hash: string;
  nar_size: number;
  file_hash: string;
  file_size: number;
  compression: string;
  /** Every run of 32 characters in the NAR that could be a store path's hash; null when there were too many to keep. */
  found_hashes_json: string | null;
  created_at: number;
}

/** What the hydra-build-products file of a NAR names; there is no row for a NAR that has none. */
export interface NarBuildProductsTable {
  nar_hash: string;
  products_json: string;
}

/** Who has uploaded a NAR's whole bytes, whether they were stored already or not. */
export interface NarPossessionsTable {
  organization_id: string;
  nar_hash: string;
  created_at: number;
}

/** Paths that a worker has published without its signature, until it has signed them or cannot. */
export interface UnsignedPathsTable {
  organization_id: string;
  /** Base name. */
  path: string;
  worker_id: string;
  /** Of the sign assignment that it is given out with; null again as soon as that is gone. */
  fencing: number | null;
  /** Sign assignments that came to nothing. */
  tries: Generated<number>;
  /** Not given out before this time. */
  due_at: number;
}

/** NARs that are stored, whatever shows them. */
export interface NarTables {
  nar_objects: NarObjectsTable;
  nar_build_products: NarBuildProductsTable;
  nar_possessions: NarPossessionsTable;
  unsigned_paths: UnsignedPathsTable;
}
