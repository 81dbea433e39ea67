import { z } from "zod";
import type { StatusSums } from "../db/nixbuild-sums-view.ts";
import type { AttemptState } from "../scheduler/attempt-state.ts";
import type { CpuAccounting } from "./build-object.ts";

export const summaryObject = z.object({
  build_count: z.int(),
  running_build_count: z.int(),
  discarded_build_count: z.int(),
  failed_build_count: z.int(),
  successful_build_count: z.int(),
  total_cpu_seconds: z.int(),
  billable_cpu_seconds: z.int(),
  total_duration_seconds: z.number(),
  wall_time_seconds: z.number(),
  total_output_nar_size_kilobytes: z.int(),
});

type Class = "running" | "discarded" | "failed" | "successful";

/** How the statuses are counted. What is discarded was run again because of its surroundings, and costs nothing. */
const CLASS_OF: Readonly<Record<AttemptState, Class>> = {
  pending: "running",
  running: "running",
  built: "successful",
  build_failed: "failed",
  cancelled: "failed",
  timeout: "failed",
  max_memory_exceeded: "failed",
  client_disconnect: "failed",
  client_error: "failed",
  out_of_memory: "discarded",
  internal_error: "discarded",
};

/** Attempts that have ended and were not discarded, cancelled ones included. What runs costs nothing before its end. */
export function isBillable(status: AttemptState): boolean {
  return CLASS_OF[status] === "failed" || CLASS_OF[status] === "successful";
}

/** Sums by status, as one summary. */
export function summaryOf(
  sums: readonly StatusSums[],
  accounting: CpuAccounting,
): z.infer<typeof summaryObject> {
  const count = (which: Class): number => totalOf(ofClass(sums, which), "attempts");
  const seconds = accounting === "measured" ? "measuredSeconds" : "allocatedSeconds";
  const billable = sums.filter(({ status }) => isBillable(status));
  const starts = sums.flatMap(({ firstStartedUs }) => firstStartedUs ?? []);
  const stops = sums.flatMap(({ lastStoppedUs }) => lastStoppedUs ?? []);
  const wallUs = stops.length === 0 ? 0 : Math.max(...stops) - Math.min(...starts);
  return {
    build_count: totalOf(sums, "attempts"),
    running_build_count: count("running"),
    discarded_build_count: count("discarded"),
    failed_build_count: count("failed"),
    successful_build_count: count("successful"),
    total_cpu_seconds: totalOf(sums, seconds),
    billable_cpu_seconds: totalOf(billable, seconds),
    total_duration_seconds: totalOf(sums, "durationUs") / 1_000_000,
    wall_time_seconds: Math.max(wallUs, 0) / 1_000_000,
    total_output_nar_size_kilobytes: Math.floor(totalOf(sums, "outputNarBytes") / 1024),
  };
}

function ofClass(sums: readonly StatusSums[], which: Class): StatusSums[] {
  return sums.filter(({ status }) => CLASS_OF[status] === which);
}

type Figure = "attempts" | "measuredSeconds" | "allocatedSeconds" | "durationUs" | "outputNarBytes";

function totalOf(sums: readonly StatusSums[], figure: Figure): number {
  return sums.reduce((total, each) => total + each[figure], 0);
}
