import type { EvaluationState } from "../parts/status.ts";
import type { CommitView } from "./commit.ts";
import type { Counts } from "./counts.ts";
import type { Pages } from "./pages.ts";

/** A project with a page of its evaluations, the newest first. */
export interface JobsetView {
  readonly kind: "jobset";
  readonly name: string;
  /** Empty when it says no more than the name. */
  readonly displayName: string;
  readonly description: string;
  readonly repository: string;
  readonly pattern: string;
  readonly isActive: boolean;
  readonly systems: readonly string[];
  /** When the repository was last asked for news, and what was wrong then. */
  readonly checkedAt: number | null;
  readonly checkError: string | null;
  /** Number of the newest evaluation, on whichever page it is; null before the first one. */
  readonly newest: number | null;
  readonly evaluations: readonly EvaluationRow[];
  readonly pages: Pages;
  /** Address of what tells changes while the page is open. */
  readonly live: string;
}

export interface EvaluationRow {
  readonly number: number;
  readonly state: EvaluationState;
  readonly commit: CommitView | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly counts: Counts;
}
