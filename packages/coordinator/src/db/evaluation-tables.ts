import type { Generated, GeneratedAlways } from "kysely";
import type { Flag } from "./flag.ts";
import type { TriggerType } from "./forge-tables.ts";

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

/** An input of a project's flake that is another one than its lock file says. */
export interface ProjectFlakeInputsTable {
  id: string;
  project_id: string;
  input_name: string;
  url: string;
  created_at: number;
  updated_at: number;
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

/** Batches of attributes that an evaluation's assignment has delivered. */
export interface EvaluationBatchesTable {
  fencing: number;
  sequence: number;
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

/** Projects and their evaluations. */
/** Bytes of NARs, as far as caches of the organization show them; null when they show none. */
interface ClosureSizes {
  /** Of what is needed to build it. */
  build_bytes: number | null;
  /** Of what its outputs refer to. */
  runtime_bytes: number | null;
}

interface EvaluationClosuresTable extends ClosureSizes {
  evaluation_id: string;
}

interface DerivationClosuresTable extends ClosureSizes {
  derivation_id: number;
}

/** Evaluations whose closures are still to be counted. */
interface ClosuresDueTable {
  evaluation_id: string;
}

export interface EvaluationTables {
  evaluation_closures: EvaluationClosuresTable;
  derivation_closures: DerivationClosuresTable;
  closures_due: ClosuresDueTable;
  projects: ProjectsTable;
  project_flake_inputs: ProjectFlakeInputsTable;
  commits: CommitsTable;
  evaluations: EvaluationsTable;
  evaluation_messages: EvaluationMessagesTable;
  evaluation_batches: EvaluationBatchesTable;
  evaluation_builds: EvaluationBuildsTable;
  jobs: JobsTable;
}
