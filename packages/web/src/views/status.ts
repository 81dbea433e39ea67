import type { RunningBuild } from "./running-build.ts";

/** What runs now. */
export interface StatusView {
  readonly kind: "status";
  readonly running: readonly RunningRow[];
  /** Builds that could run and wait for a worker. */
  readonly waiting: number;
  /** Builds that wait for others. */
  readonly blocked: number;
}

export interface RunningRow extends RunningBuild {
  readonly jobset: string | null;
  readonly system: string;
  readonly worker: { readonly id: string; readonly name: string } | null;
}
