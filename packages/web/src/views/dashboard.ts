import type { BuildStatus, EvaluationState } from "../parts/status.ts";

/** A square for each job of an evaluation. */
export interface DashboardView {
  readonly kind: "dashboard";
  readonly evaluation: number;
  readonly jobset: string;
  readonly state: EvaluationState;
  /** Name of a registered dashboard that chooses the jobs; null for all jobs. */
  readonly dashboard: string | null;
  /** Jobs that it chooses; null for all jobs. */
  readonly names: readonly string[] | null;
  readonly systems: readonly string[];
  /** The one that is shown; null for all. */
  readonly system: string | null;
  /** Part of a job's name that is to be shown. */
  readonly filter: string;
  readonly jobs: readonly DashboardJob[];
  readonly previous: number | null;
  readonly next: number | null;
  readonly live: string;
}

export interface DashboardJob {
  readonly job: string;
  readonly build: number;
  readonly status: BuildStatus;
  /** Milliseconds; null while it did not end, or when it took none. */
  readonly duration: number | null;
}
