import type { BuildOutcome, EvaluationMessage, UsageRecord } from "@gradient/protocol";

/** An output of a derivation that was built. */
export interface BuiltOutput {
  readonly name: string;
  readonly path: string;
  /** Size of its NAR. */
  readonly sizeBytes: number;
}

/** One derivation that was built here, or that was tried. */
export interface BuildRecord {
  readonly drvPath: string;
  /** Name of the derivation. */
  readonly name: string;
  readonly outcome: BuildOutcome;
  /** One sentence for people; null when built. */
  readonly message: string | null;
  /** The outcome was read from text because no structure told it. */
  readonly isGuess: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly stoppedAt: number;
  readonly outputs: readonly BuiltOutput[];
  readonly usage: UsageRecord;
  /** The last lines of the log, when it was not built. */
  readonly logTail: readonly string[];
}

/** What became of an attribute. */
export type JobStatus =
  | "built"
  /** A substituter had it. */
  | "substituted"
  /** The store had it. */
  | "valid"
  | "failed"
  /** It needs something that failed. */
  | "dependency_failed"
  /** It was ended, or not begun, because something else failed or somebody asked for it. */
  | "cancelled"
  /** It could not be evaluated. */
  | "error";

/** One attribute. */
export interface JobRecord {
  readonly attribute: readonly string[];
  /** null when it could not be evaluated. */
  readonly drvPath: string | null;
  /** The output that the attribute stands for; its path is null when it is known only after the build, and is not built. */
  readonly output: { readonly name: string; readonly path: string | null } | null;
  readonly status: JobStatus;
  /** Why it could not be evaluated. */
  readonly error: string | null;
}

/** Everything that `gradient-worker build` found out, as `--json` and `--report` write it. */
export interface RunReport {
  /** Rises when something in here changes its meaning. */
  readonly version: 1;
  readonly target: string;
  readonly pattern: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly stoppedAt: number;
  readonly exitCode: number;
  /** In the order of the attributes that were asked for, and of their names. */
  readonly jobs: readonly JobRecord[];
  /** In the order in which they ended. */
  readonly builds: readonly BuildRecord[];
  /** Derivations that were not begun because one that they need failed. */
  readonly dependencyFailed: readonly string[];
  /** Store paths that substituters gave. */
  readonly substituted: readonly string[];
  /** What evaluation used, without builds. */
  readonly evaluation: { readonly usage: UsageRecord | null };
  readonly messages: readonly EvaluationMessage[];
  /** What went wrong beside single builds: an evaluation as a whole, a signature that could not be made. */
  readonly errors: readonly string[];
}

/** User and system together; null when it was not measured. */
export function cpuMsOf(usage: UsageRecord): number | null {
  const { cpuUserMs, cpuSystemMs } = usage;
  if (cpuUserMs === null && cpuSystemMs === null) return null;
  return (cpuUserMs ?? 0) + (cpuSystemMs ?? 0);
}
