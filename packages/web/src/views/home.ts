import type { EvaluationState } from "../parts/status.ts";
import type { Counts } from "./counts.ts";

/** What can be seen of the farm: its jobsets, each with its newest evaluation. */
export interface HomeView {
  readonly kind: "home";
  readonly jobsets: readonly JobsetRow[];
  /** Whether the caller is known; a stranger may be told to sign in. */
  readonly isSignedIn: boolean;
}

export interface JobsetRow {
  /** As addresses have it: its alias, or ORGANIZATION.PROJECT. */
  readonly name: string;
  readonly description: string;
  readonly repository: string;
  readonly isActive: boolean;
  readonly newest: NewestEvaluation | null;
  /** What was wrong when its repository was last looked at, while it was not evaluated; null for nothing. */
  readonly checkError: string | null;
}

export interface NewestEvaluation {
  readonly number: number;
  readonly state: EvaluationState;
  readonly startedAt: number;
  /** Hexadecimal; null while it is not known. */
  readonly commit: string | null;
  readonly counts: Counts;
  /** Jobs that failed in the evaluation before and succeed in this one. */
  readonly fixed: number;
}
