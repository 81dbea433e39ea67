import type { Generated, GeneratedAlways } from "kysely";

/** Row types of tags, and of what is added up of attempts. */

interface TagsTable {
  id: Generated<number>;
  organization_id: string;
  name: string;
  value: string;
}

interface DerivationTagsTable {
  derivation_id: number;
  tag_id: number;
}

interface EvaluationTagsTable {
  evaluation_id: string;
  tag_id: number;
}

/** Filled by triggers. */
interface AttemptTagsTable {
  tag_id: number;
  /** That of the attempt. */
  created_at: number;
  attempt: number;
}

/** Sums of the attempts that ended, kept by triggers; to be counted anew by `COUNT_ALL` of migration 0030. */
interface AttemptSumsTable {
  organization_id: string;
  /** Empty: all of the organization; else `project:ID` or `tag:ID`. */
  scope: string;
  /** Hour or day of their creation, or day on which they stopped. Projects have the last one only. */
  unit: "hour" | "day" | "stopped";
  /** When it began, UTC. */
  at: number;
  status: string;
  attempts: number;
  /** Those that began. */
  executed: number;
  measured_seconds: number;
  allocated_seconds: number;
  duration_us: number;
  output_nar_bytes: number;
  /** Microseconds since the epoch. */
  first_started_us: number;
  last_stopped_us: number;
}

/** The last runs of a package for a system, the newest first. */
export interface RunHistoriesTable {
  organization_id: string;
  system: string;
  name: string;
  /** `[{"peakBytes", "lackedBytes", "cores"}]` */
  runs_json: string;
}

/** Columns of attempts that nixbuild.net's API tells. */
export interface AttemptColumns {
  /** Of its build; filled in when the attempt is made. */
  organization_id: Generated<string | null>;
  /** Of the evaluation that it was made for; filled in when the attempt is made. */
  project_id: Generated<string | null>;
  /** What it was given when it was last given out: cores, and memory of all kinds. */
  cpu_count: Generated<number | null>;
  allocated_bytes: Generated<number | null>;
  /** Of the usage record. */
  storage_peak_bytes: Generated<number | null>;
  /** `[{"name", "path", "narHash", "narSize"}]` of what it made; null for one that made nothing. */
  outputs_json: Generated<string | null>;
  output_nar_bytes: Generated<number | null>;
  /** 1: it was told to end because its client had gone. */
  is_deserted: Generated<0 | 1>;
  /** Microseconds (0 to 999) behind `started_at` and `stopped_at`, as the worker measured them. */
  started_us: Generated<number>;
  stopped_us: Generated<number>;
  /** Of the build itself; null until it has ended, and for one that never began. */
  duration_us: GeneratedAlways<number | null>;
  /** Whole CPU seconds, at least 1 for what was executed: cores that it was given for its duration, and what it used. */
  allocated_seconds: GeneratedAlways<number>;
  measured_seconds: GeneratedAlways<number>;
}

export interface NixbuildTables {
  tags: TagsTable;
  derivation_tags: DerivationTagsTable;
  evaluation_tags: EvaluationTagsTable;
  attempt_tags: AttemptTagsTable;
  attempt_sums: AttemptSumsTable;
  run_histories: RunHistoriesTable;
}
