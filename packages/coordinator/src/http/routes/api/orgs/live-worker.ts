import { z } from "zod";
import type { LiveWorker } from "../../../../ports.ts";

/** A connected worker, as it told us itself. */
export const liveWorkerSchema = z
  .object({
    capabilities: z.object({
      core: z.boolean(),
      federate: z.boolean(),
      fetch: z.boolean(),
      eval: z.boolean(),
      build: z.boolean(),
      cache: z.boolean(),
    }),
    architectures: z.array(z.string()),
    system_features: z.array(z.string()),
    max_concurrent_builds: z.int(),
    assigned_job_count: z.int(),
    draining: z.boolean(),
  })
  .meta({ id: "LiveWorker" });

/** `federate` and `cache` are Gradient's words for what no worker of this farm does. */
export function toLiveWorker(worker: LiveWorker): z.infer<typeof liveWorkerSchema> {
  return {
    capabilities: { core: true, federate: false, ...worker.capabilities, cache: false },
    architectures: [...worker.systems],
    system_features: [...worker.systemFeatures],
    max_concurrent_builds: worker.maxConcurrentBuilds,
    assigned_job_count: worker.assignedCount,
    draining: worker.isDraining,
  };
}
