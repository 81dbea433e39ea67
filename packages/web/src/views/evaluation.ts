import type { EvaluationState } from "../parts/status.ts";
import type { BuildRow } from "./build-row.ts";
import type { CommitView } from "./commit.ts";
import type { Counts } from "./counts.ts";
import type { DifferenceView } from "./difference.ts";
import type { Pages } from "./pages.ts";

export type EvaluationTab = "all" | "succeeded" | "failed" | "newly-failed" | "pending";

export interface EvaluationView {
  readonly kind: "evaluation";
  readonly number: number;
  readonly jobset: string;
  readonly state: EvaluationState;
  /** One sentence on what it waits for. */
  readonly waitsFor: string | null;
  readonly startedBy: string;
  readonly commit: CommitView | null;
  /** Commit of the evaluation before. */
  readonly previousCommit: CommitView | null;
  /** Where a forge shows what lies between both commits. */
  readonly rangeUrl: string | null;
  readonly createdAt: number;
  readonly phases: readonly PhaseTime[];
  readonly endedAt: number | null;
  readonly previous: number | null;
  readonly next: number | null;
  readonly counts: Counts;
  readonly messages: readonly EvaluationMessage[];
  readonly difference: DifferenceView | null;
  readonly tab: EvaluationTab;
  readonly builds: readonly BuildRow[];
  readonly pages: Pages;
  readonly live: string;
}

export interface PhaseTime {
  readonly name: "fetch" | "evaluation" | "builds";
  readonly from: number;
  readonly to: number | null;
}

export interface EvaluationMessage {
  readonly level: "error" | "warning" | "notice";
  /** The attribute that it is about. */
  readonly attribute: string | null;
  readonly text: string;
}
