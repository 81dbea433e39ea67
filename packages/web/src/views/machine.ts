import type { BuildRow } from "./build-row.ts";
import type { WorkerRow } from "./workers.ts";

/** One worker: what it runs, and what it did. */
export interface MachineView {
  readonly kind: "machine";
  readonly worker: WorkerRow;
  /** The last ones that it ran and the caller may see, the newest first. */
  readonly builds: readonly BuildRow[];
  readonly hours: readonly MachineHour[];
}

/** Attempts that ended on it in an hour. */
export interface MachineHour {
  /** Its beginning. */
  readonly at: number;
  readonly succeeded: number;
  readonly failed: number;
}
