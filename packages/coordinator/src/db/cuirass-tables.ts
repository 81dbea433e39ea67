import type { Generated } from "kysely";

/** Row types of what only Cuirass's API has, by the rules of tables.ts. */

/** A derivation as a project first registered it: what Cuirass calls a build. Status, weather and priority are kept by triggers. */
export interface ProjectBuildsTable {
  /** Rises with registration and is never used twice. */
  number: Generated<number>;
  project_id: string;
  derivation_id: number;
  /** Number of the evaluation that registered it, which may not be kept any more. */
  evaluation: number;
  /** Of the first job that it is for; of a derivation that is only needed by others, its name and system. */
  job_name: string;
  is_job: 0 | 1;
  system: string;
  nix_name: string;
  /** As scheduler/api-words.ts has it for its build. */
  status: number;
  weather: Generated<number>;
  /** 0 to 99, lower is sooner. */
  priority: number;
}

/** Numbers of what outputs name in their hydra-build-products files. */
export interface BuildProductsTable {
  number: Generated<number>;
  build: number;
  output: string;
  /** Of the line among those that name something, from 0. */
  position: number;
}

/** Lists of jobs that somebody looks at together. */
export interface DashboardsTable {
  /** 16 letters and digits. */
  id: string;
  project_id: string;
  names_json: string;
  /** null for somebody without credentials. */
  created_by: string | null;
  created_at: number;
  /** Within a day. */
  used_at: number;
}

export interface CuirassTables {
  project_builds: ProjectBuildsTable;
  build_products: BuildProductsTable;
  dashboards: DashboardsTable;
}
