/** How the farm does, over what the caller may see. */
export interface MetricsView {
  readonly kind: "metrics";
  /** The last evaluations, the oldest first. */
  readonly evaluations: readonly {
    readonly number: number;
    /** How long evaluating took, without fetch and builds. */
    readonly evaluationMs: number | null;
    /** From its beginning to its last build's end. */
    readonly totalMs: number | null;
  }[];
  /** Attempts that ended, by day, the oldest first. */
  readonly days: readonly {
    /** Its beginning, UTC. */
    readonly at: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly cpuMs: number;
  }[];
  /** Attempts of the last day that ended, by machine. */
  readonly machines: readonly {
    readonly id: string;
    readonly name: string;
    readonly builds: number;
    readonly busyMs: number;
  }[];
  readonly pending: number;
  /** Builds that ended on this day (UTC), and in each hour of it so far. */
  readonly endedToday: number;
  readonly perHour: number;
  /** Of the evaluations here. */
  readonly failedEvaluations: number;
}
