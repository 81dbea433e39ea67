import type { RunningBuild } from "./running-build.ts";

/** What runs now. */
export interface StatusView {
  readonly kind: "status";
  readonly running: readonly RunningRow[];
  /** Builds that wait for a worker, or for other builds. */
  readonly waiting: number;
}

export interface RunningRow extends RunningBuild {
  readonly jobset: string | null;
  readonly system: string;
  readonly worker: { readonly id: string; readonly name: string } | null;
}
