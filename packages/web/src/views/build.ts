import type { BuildStatus, Weather } from "../parts/status.ts";
import type { CommitView } from "./commit.ts";
import type { UsageView } from "./usage.ts";

/** Everything about one build. Times are milliseconds since the epoch, paths whole store paths. */
export interface BuildView {
  readonly kind: "build";
  readonly number: number;
  readonly evaluation: number;
  readonly jobset: string;
  /** null for a build that is no job of its own. */
  readonly job: string | null;
  readonly name: string;
  readonly status: BuildStatus;
  readonly weather: Weather;
  readonly system: string;
  readonly derivation: string;
  /** What failed, in words. */
  readonly message: string | null;
  /** One sentence on what a build that has not begun waits for. */
  readonly waitsFor: string | null;
  readonly createdAt: number;
  readonly readyAt: number | null;
  readonly startedAt: number | null;
  readonly stoppedAt: number | null;
  readonly worker: { readonly id: string; readonly name: string } | null;
  readonly hasLog: boolean;
  readonly outputs: readonly { readonly name: string; readonly path: string | null }[];
  readonly products: readonly ProductView[];
  readonly usage: UsageView | null;
  readonly attempts: readonly AttemptRow[];
  readonly dependencies: readonly DependencyView[];
  /** Of all; the list is cut. */
  readonly dependencyCount: number;
  /** Commit of its evaluation, and of the one before. */
  readonly change: BuildChange | null;
  /** Since when the job fails. */
  readonly firstFailure: { readonly build: number; readonly evaluation: number } | null;
  /** The last builds of the job, the newest first. */
  readonly history: readonly HistoryRow[];
  readonly live: string | null;
}

export interface ProductView {
  readonly number: number;
  readonly type: string;
  readonly name: string;
  readonly sizeBytes: number | null;
}

export interface DependencyView {
  readonly name: string;
  /** null when it has no page of its own in this project. */
  readonly build: number | null;
  readonly status: BuildStatus;
}

export interface BuildChange {
  readonly commit: CommitView;
  readonly previous: CommitView | null;
  readonly rangeUrl: string | null;
}

/** One execution of a build. */
export interface AttemptRow {
  readonly number: number;
  /** A word, as `built` or `out of memory`. */
  readonly status: string;
  readonly worker: { readonly id: string; readonly name: string } | null;
  readonly startedAt: number | null;
  readonly stoppedAt: number | null;
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
  readonly message: string | null;
}

/** An earlier or later build of the same job. */
export interface HistoryRow {
  readonly number: number;
  readonly evaluation: number;
  readonly status: BuildStatus;
  readonly startedAt: number | null;
  readonly stoppedAt: number | null;
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
}
