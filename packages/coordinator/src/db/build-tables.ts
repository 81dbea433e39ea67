import type { Generated } from "kysely";
import type { Flag } from "./flag.ts";
import type { AttemptColumns } from "./nixbuild-tables.ts";

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

/** Derivations, their builds, and the attempts at these. */
export interface BuildTables {
  derivations: DerivationsTable;
  derivation_outputs: DerivationOutputsTable;
  derivation_inputs: DerivationInputsTable;
  derivation_sources: DerivationSourcesTable;
  builds: BuildsTable;
  attempts: AttemptsTable;
}
