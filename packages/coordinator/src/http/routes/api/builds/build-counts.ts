import { z } from "zod";
import { readBuildStatus, type BuildStatus } from "./build-status.ts";

export const buildCounts = z
  .object({
    completed: z.int(),
    failed: z.int(),
    building: z.int(),
    queued: z.int(),
    substituted: z.int(),
    aborted: z.int(),
  })
  .meta({ id: "BuildCounts" });
export type BuildCounts = z.infer<typeof buildCounts>;

const BUCKETS: Readonly<Record<BuildStatus, keyof BuildCounts>> = {
  Queued: "queued",
  FailedTransient: "queued",
  Building: "building",
  Completed: "completed",
  Substituted: "substituted",
  FailedPermanent: "failed",
  FailedTimeout: "failed",
  DependencyFailed: "failed",
  Aborted: "aborted",
};

/** Sums up builds by state. */
export function toBuildCounts(byState: ReadonlyMap<string, number>): BuildCounts {
  const counts = { completed: 0, failed: 0, building: 0, queued: 0, substituted: 0, aborted: 0 };
  for (const [state, count] of byState) counts[BUCKETS[readBuildStatus(state)]] += count;
  return counts;
}
