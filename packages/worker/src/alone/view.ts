import type { EvaluationMessage } from "@gradient/protocol";
import type { LiveUsage } from "../ports.ts";
import type { GraphCounts } from "./graph.ts";
import type { BuildRecord } from "./report.ts";

/** How far the whole is. */
export interface Progress {
  /** Attributes that were evaluated so far. */
  readonly jobs: number;
  readonly isEvaluating: boolean;
  /** Nix looks what has to be built, and asks substituters for the rest. */
  readonly isPlanning: boolean;
  readonly builds: GraphCounts;
  /** Paths that are being fetched from substituters. */
  readonly fetching: number;
}

/** A build that has begun. */
export interface StartedBuild {
  readonly drvPath: string;
  readonly name: string;
}

/** Shows people what happens. Nothing in here throws. */
export interface BuildView extends Disposable {
  progress(progress: Progress): void;
  message(message: EvaluationMessage): void;
  fetching(fetch: { paths: readonly string[]; downloadBytes: number }): void;
  started(build: StartedBuild, live: LiveUsage): void;
  ended(record: BuildRecord): void;
}
