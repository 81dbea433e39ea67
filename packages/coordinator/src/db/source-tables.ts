/** Files that an organization has uploaded, by their content. */
export interface SourceBlobsTable {
  organization_id: string;
  /** BLAKE3, 64 hexadecimal digits. */
  hash: string;
  size: number;
  /** Uploaded, or named by a session. */
  last_used_at: number;
}

/** What somebody is about to have built from files that are uploaded one by one. */
export interface BuildRequestSessionsTable {
  id: string;
  organization_id: string;
  /** Who opened it; nobody else may go on with it. */
  user_id: string;
  /** `[{"path", "hash", "size", "executable"}]` */
  files_json: string;
  created_at: number;
  expires_at: number;
  dispatched_at: number | null;
}

/** Builds of files that came with the request, outside of every project. */
export interface DirectBuildsTable {
  id: string;
  organization_id: string;
  evaluation_id: string;
  /** Attribute pattern, as it was asked for. */
  derivation: string;
  created_at: number;
}

/** What is built from files that came with a request. */
export interface SourceTables {
  source_blobs: SourceBlobsTable;
  build_request_sessions: BuildRequestSessionsTable;
  direct_builds: DirectBuildsTable;
}
