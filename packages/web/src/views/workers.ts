import type { RunningBuild } from "./running-build.ts";

/** Workers that the caller may see. */
export interface WorkersView {
  readonly kind: "workers";
  readonly workers: readonly WorkerRow[];
  readonly isSignedIn: boolean;
}

export interface WorkerRow {
  readonly id: string;
  readonly name: string;
  readonly organization: string;
  readonly state: WorkerState;
  readonly systems: readonly string[];
  readonly features: readonly string[];
  /** null while it is not connected. */
  readonly slots: number | null;
  readonly lastSeenAt: number | null;
  readonly builds: readonly RunningBuild[];
}

export type WorkerState = "connected" | "draining" | "away" | "inactive";
