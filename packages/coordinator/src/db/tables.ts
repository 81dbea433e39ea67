import type { Generated, GeneratedAlways } from "kysely";
import type { AssignmentAnswersTable, AssignmentsTable } from "./assignment-tables.ts";
import type { CuirassTables } from "./cuirass-tables.ts";
import type { AttemptColumns, NixbuildTables } from "./nixbuild-tables.ts";
import type {
  CacheDocumentsTable,
  CacheKeysTable,
  CacheKeySweepsTable,
  CacheReaderTrafficTable,
  CacheTrafficTable,
} from "./cache-tables.ts";
import type {
  CachePinsTable,
  MaintenanceTasksTable,
  NarTotalsTable,
  NoticesTable,
} from "./maintenance-tables.ts";
import type {
  ForgeReportsTable,
  HookDeliveriesTable,
  IntegrationsTable,
  TriggersTable,
  TriggerType,
} from "./forge-tables.ts";

/**
 * Row types, one interface a table. Times are milliseconds since the epoch; booleans are 0 or 1; `*_json` columns hold JSON text;
 * store paths are kept as base names (`<hash>-<name>`), hashes as 52 characters of Nix base 32. The same columns serve SQLite and PostgreSQL.
 */

type Flag = 0 | 1;

export interface UsersTable {
  id: string;
  username: string;
  name: string;
  email: string;
  password_hash: string | null;
  superuser: Flag;
  email_verified: Flag;
  active: Flag;
  created_at: number;
  last_login_at: number | null;
  managed: Generated<Flag>;
  /** Who an OIDC provider says it is; both null for an account that no provider knows. */
  oidc_issuer: string | null;
  oidc_subject: string | null;
  /** SHA-256, hexadecimal, of the token that was mailed last. */
  verification_hash: string | null;
  verification_expires_at: number | null;
}

export interface SessionsTable {
  id: string;
  user_id: string;
  created_at: number;
  expires_at: number;
  last_used_at: number;
  revoked_at: number | null;
  /** Of the request that opened it. */
  user_agent: string | null;
  ip: string | null;
  remember_me: Generated<Flag>;
}

/** Logins of programs that show a code; a row goes when its token was handed out. */
export interface DeviceLoginsTable {
  /** SHA-256, hexadecimal, as the other. */
  device_code_hash: string;
  user_code_hash: string;
  state: "pending" | "authorized" | "denied";
  /** Who authorized it. */
  user_id: string | null;
  /** Of the program that asks. */
  user_agent: string | null;
  ip: string | null;
  created_at: number;
  expires_at: number;
}

/** Who did what; nothing refers to it and it refers to nothing. */
export interface AuditEventsTable {
  /** UUID version 7: in the order of events. */
  id: string;
  event: string;
  user_id: string | null;
  api_key_id: string | null;
  ip: string | null;
  user_agent: string | null;
  /** Name of what it was done to. */
  subject: string | null;
  details_json: string;
  created_at: number;
}

export interface ApiKeysTable {
  id: string;
  user_id: string;
  name: string;
  /** SHA-256, hexadecimal, of the 64 characters after the prefix. */
  secret_hash: string;
  permissions: number;
  organization_id: string | null;
  cache_id: string | null;
  allowed_ips_json: string;
  managed: Flag;
  created_at: number;
  last_used_at: number | null;
  expires_at: number | null;
  revoked_at: number | null;
}

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

export interface ProjectsTable {
  id: string;
  organization_id: string;
  name: string;
  display_name: string;
  description: string;
  repository: string;
  wildcard: string;
  active: Flag;
  managed: Flag;
  force_evaluation: Flag;
  sign_cache: Flag;
  keep_evaluations: number;
  concurrency: "hard_abort" | "soft_abort" | "all" | "skip";
  created_by: string;
  created_at: number;
  /** A name that it alone has on this server, for clients of Cuirass. */
  alias: string | null;
  /** 0 to 9, lower is sooner. */
  priority: Generated<number>;
  /** 1 when everybody may ask for a look at its repository. */
  open_hook: Generated<Flag>;
}

export interface CommitsTable {
  id: string;
  hash: string;
  message: string;
  author_name: string;
  author_email: string;
  created_at: number;
}

export interface EvaluationsTable {
  id: string;
  /** Rises with creation and is never used twice; filled in by a trigger. */
  number: Generated<number>;
  organization_id: string;
  project_id: string | null;
  repository: string;
  wildcard: string;
  commit_id: string | null;
  state: string;
  waiting_reason_json: string | null;
  /** Base name of the fetched source tree's store path. */
  source_path: string | null;
  /** Higher goes first; its builds inherit it. */
  priority: Generated<number>;
  /** Linked builds that are not in an end state; changes in the same transaction as theirs and can be counted anew. */
  unfinished_builds: Generated<number>;
  /** How often the fetch or the evaluation itself was given out and came to nothing. */
  tries: Generated<number>;
  /** Not given out before this time. */
  retry_at: number | null;
  triggered_by: string | null;
  /** Hash of the commit: from the start where it was named then, else from the fetch on. */
  revision: string | null;
  /** Full reference that the commit is fetched from; null: the remote's HEAD. */
  reference: string | null;
  /** The trigger that started it may be gone; what kind it was stays. */
  trigger_id: string | null;
  trigger_type: TriggerType | null;
  pr_number: number | null;
  pr_author: string | null;
  /** 1 until a person of the organization has let it run. */
  needs_approval: Generated<Flag>;
  approved_by: string | null;
  created_at: number;
  updated_at: number;
  fetch_started_at: number | null;
  eval_started_at: number | null;
  building_started_at: number | null;
  finished_at: number | null;
  /** Inputs of the flake that are others than its lock file says: `[{"input", "url"}]`; null when there are none. */
  input_overrides_json: string | null;
  /** As the organization had it, or whoever started it said. */
  reuse_build_failures: Generated<Flag>;
  reuse_build_timeouts: Generated<Flag>;
  /** Its builds end when nobody follows it any more. */
  ends_with_client: Generated<Flag>;
  /** Usage records of the fetch and of the evaluation itself. */
  fetch_usage_json: string | null;
  eval_usage_json: string | null;
}

export interface EvaluationMessagesTable {
  id: Generated<number>;
  evaluation_id: string;
  level: "Error" | "Warning" | "Notice";
  text: string;
  attribute_json: string | null;
  created_at: number;
}

export interface DerivationsTable {
  id: Generated<number>;
  organization_id: string;
  drv_path: string;
  name: string;
  system: string;
  required_features_json: string;
  is_fixed_output: Flag;
  /** Limits, tags and preferences read from the derivation's environment. */
  facts_json: string;
  created_at: number;
}

export interface DerivationOutputsTable {
  derivation_id: number;
  name: string;
  /** null until built, for a derivation whose output is addressed by its content. */
  path: string | null;
}

export interface DerivationInputsTable {
  derivation_id: number;
  input_id: number;
  outputs_json: string;
}

export interface DerivationSourcesTable {
  derivation_id: number;
  path: string;
}

export interface BuildsTable {
  id: Generated<number>;
  organization_id: string;
  derivation_id: number;
  state: string;
  /** In state Building: 1 when all outputs are stored and only their signatures are missing, so that dependents do not wait. */
  is_announced: Generated<number>;
  /** In state Created: input builds that are neither Completed nor Substituted nor announced; changes in the same transaction as theirs and can be counted anew. */
  unmet_dependencies: number;
  /** Highest priority of the evaluations that want it. */
  priority: Generated<number>;
  /** Longest known chain of builds that wait for this one. */
  height: Generated<number>;
  /** Attempts since it was last asked for that ended without a verdict. */
  tries: Generated<number>;
  /** In state FailedTransient: when the next attempt may start. */
  retry_at: number | null;
  message: string | null;
  created_at: number;
  updated_at: number;
  /** When the last dependency was stored. */
  ready_at: number | null;
  assigned_at: number | null;
  started_at: number | null;
  stopped_at: number | null;
  stored_at: number | null;
}

export interface EvaluationBuildsTable {
  id: string;
  evaluation_id: string;
  build_id: number;
  /** The failed attempt because of which it was not built again for this evaluation. */
  reused_attempt: Generated<number | null>;
  /** Triggers keep both: the build's state and the derivation's name, so that an evaluation's builds lie in the order of lists. */
  state: Generated<string>;
  list_name: Generated<string>;
  /** Made from the state: 0 runs, 1 waits, 2 failed, 3 was given up, 4 is done. */
  list_rank: GeneratedAlways<number>;
}

export interface JobsTable {
  evaluation_id: string;
  attribute_json: string;
  derivation_id: number | null;
  error: string | null;
  created_at: number;
  /** Cuirass's, which no other job of the evaluation has; null without a derivation, and outside of projects. So are the next two. */
  name: string | null;
  evaluation_number: number | null;
  /** Of the project's build. */
  build_number: number | null;
}

export interface AttemptsTable extends AttemptColumns {
  number: Generated<number>;
  build_id: number;
  /** pending, running, or one of nixbuild.net's end states. */
  status: string;
  message: string | null;
  worker_id: string | null;
  /** Of the assignment that it was last given out with. */
  fencing: number | null;
  created_at: number;
  assigned_at: number | null;
  started_at: number | null;
  stopped_at: number | null;
  stored_at: number | null;
  usage_json: string | null;
  /** Of the usage record: user and system time together; null when one is not known. */
  cpu_time_ms: number | null;
  /** Of the usage record. */
  memory_peak_bytes: number | null;
  log_bytes: number;
  restart_of: number | null;
  restarted_as: number | null;
  /** Limit of this attempt, and what its worker has to have; null: what the derivation says. */
  memory_bytes: number | null;
}

/** Batches of attributes that an evaluation's assignment has delivered. */
export interface EvaluationBatchesTable {
  fencing: number;
  sequence: number;
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
}

/** Files with NARs as uploaders named and packed them. Before the first path shows the NAR they keep it from being removed. */
export interface CacheNarFilesTable {
  cache_id: string;
  file_hash: string;
  compression: string;
  file_size: number;
  nar_hash: string;
  created_at: number;
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
}

/** Who has uploaded a NAR's whole bytes, whether they were stored already or not. */
export interface NarPossessionsTable {
  organization_id: string;
  nar_hash: string;
  created_at: number;
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

export interface Tables extends NixbuildTables, CuirassTables {
  users: UsersTable;
  sessions: SessionsTable;
  device_logins: DeviceLoginsTable;
  audit_events: AuditEventsTable;
  api_keys: ApiKeysTable;
  organizations: OrganizationsTable;
  organization_members: OrganizationMembersTable;
  worker_registrations: WorkerRegistrationsTable;
  workers: WorkersTable;
  worker_key_changes: WorkerKeyChangesTable;
  caches: CachesTable;
  cache_keys: CacheKeysTable;
  cache_key_sweeps: CacheKeySweepsTable;
  cache_members: CacheMembersTable;
  roles: RolesTable;
  cache_subscriptions: CacheSubscriptionsTable;
  cache_upstreams: CacheUpstreamsTable;
  cache_backfills: CacheBackfillsTable;
  projects: ProjectsTable;
  commits: CommitsTable;
  evaluations: EvaluationsTable;
  evaluation_messages: EvaluationMessagesTable;
  derivations: DerivationsTable;
  derivation_outputs: DerivationOutputsTable;
  derivation_inputs: DerivationInputsTable;
  derivation_sources: DerivationSourcesTable;
  builds: BuildsTable;
  evaluation_builds: EvaluationBuildsTable;
  jobs: JobsTable;
  attempts: AttemptsTable;
  assignments: AssignmentsTable;
  assignment_answers: AssignmentAnswersTable;
  evaluation_batches: EvaluationBatchesTable;
  unsigned_paths: UnsignedPathsTable;
  nar_objects: NarObjectsTable;
  nar_build_products: NarBuildProductsTable;
  cache_paths: CachePathsTable;
  cache_nar_files: CacheNarFilesTable;
  cache_path_references: CachePathReferencesTable;
  cache_totals: CacheTotalsTable;
  cache_documents: CacheDocumentsTable;
  cache_traffic: CacheTrafficTable;
  cache_reader_traffic: CacheReaderTrafficTable;
  nar_possessions: NarPossessionsTable;
  known_host_keys: KnownHostKeysTable;
  source_blobs: SourceBlobsTable;
  build_request_sessions: BuildRequestSessionsTable;
  direct_builds: DirectBuildsTable;
  cache_pins: CachePinsTable;
  maintenance_tasks: MaintenanceTasksTable;
  nar_totals: NarTotalsTable;
  integrations: IntegrationsTable;
  hook_deliveries: HookDeliveriesTable;
  triggers: TriggersTable;
  forge_reports: ForgeReportsTable;
  notices: NoticesTable;
}
