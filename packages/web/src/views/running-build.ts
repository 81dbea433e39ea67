/** A build that runs now. */
export interface RunningBuild {
  /** null for one that the caller may not see. */
  readonly number: number | null;
  readonly name: string;
  readonly startedAt: number;
  /** How long builds of this name took, in milliseconds; null when there was none. */
  readonly expectedMs: number | null;
}
