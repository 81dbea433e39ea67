import { z } from "zod";
import { progressSchema } from "../../../../collection/progress.ts";
import type { MaintenanceTask } from "../../../../db/maintenance-repository.ts";
import { timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";

/** Work that goes over everything that is stored, how far it is, and in the end its report. Bytes are those of compressed files. */
export const taskSchema = z
  .object({
    id: z.uuid(),
    kind: z.enum(["deep_gc", "fsck"]),
    status: z.enum(["queued", "running", "completed", "failed"]),
    cache_id: z.uuid().nullable(),
    dry_run: z.boolean(),
    repair: z.boolean(),
    error: z.string().nullable(),
    created_at: timestamp,
    started_at: timestamp.nullable(),
    finished_at: timestamp.nullable(),
    phase: progressSchema.shape.phase,
    caches_total: z.int(),
    caches_done: z.int(),
    removed_paths: z.int().meta({ description: "With a dry run: that would be removed." }),
    removed_path_bytes: z.int(),
    removed_files: z.int(),
    removed_file_bytes: z.int(),
    checked_files: z.int(),
    checked_bytes: z.int(),
    problems: z.int(),
    repaired: z.int().meta({
      description: "Problems that workers have mended; without repair those that they could mend.",
    }),
    report: z.array(z.string()).meta({ description: "The first thousand paths, or problems." }),
  })
  .meta({ id: "MaintenanceTask" });

const KINDS = { collection: "deep_gc", check: "fsck" } as const;

/** Its report may have a thousand lines: lists of tasks leave it out. */
export function toTask(task: MaintenanceTask): z.infer<typeof taskSchema> {
  const { progress } = task;
  return {
    id: task.id,
    kind: KINDS[task.kind],
    status: task.state,
    cache_id: task.cacheId,
    dry_run: task.isDryRun,
    repair: task.isRepair,
    error: task.error,
    created_at: toTimestamp(task.createdAt),
    started_at: toTimestampOrNull(task.startedAt),
    finished_at: toTimestampOrNull(task.finishedAt),
    phase: progress.phase,
    caches_total: progress.cachesTotal,
    caches_done: progress.cachesDone,
    removed_paths: progress.paths,
    removed_path_bytes: progress.pathBytes,
    removed_files: progress.files,
    removed_file_bytes: progress.fileBytes,
    checked_files: progress.checkedFiles,
    checked_bytes: progress.checkedBytes,
    problems: progress.problems,
    repaired: progress.repaired,
    report: progress.named,
  };
}

/** What a request is told that began a task. */
export const startedTask = z.object({ task_id: z.uuid() });
