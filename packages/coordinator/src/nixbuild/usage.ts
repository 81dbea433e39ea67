import { z } from "zod";
import type { StatusSums } from "../db/nixbuild-sums-view.ts";
import type { CpuAccounting } from "./build-object.ts";
import type { Period } from "./periods.ts";
import { isBillable } from "./summary.ts";

export const usageObject = z.object({
  billable_cpu_seconds: z.int(),
  billable_build_count: z.int(),
});

/** From the first day of the month and without an end, unless it is said. Milliseconds since the epoch. */
export function usagePeriod(from: number | null, before: number | null, now: number): Period {
  const today = new Date(now);
  return {
    from: from ?? Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), 1),
    before: before ?? Number.MAX_SAFE_INTEGER,
  };
}

/** What nixbuild.net would put on the bill: attempts that were executed and not discarded. Whole seconds, by the setting of what a CPU second is. */
export function usageOf(
  sums: readonly StatusSums[],
  accounting: CpuAccounting,
): z.infer<typeof usageObject> {
  const billable = sums.filter(({ status }) => isBillable(status));
  const secondsOf = (each: StatusSums): number =>
    accounting === "measured" ? each.measuredSeconds : each.allocatedSeconds;
  return {
    billable_cpu_seconds: billable.reduce((total, each) => total + secondsOf(each), 0),
    billable_build_count: billable.reduce((total, { executed }) => total + executed, 0),
  };
}
