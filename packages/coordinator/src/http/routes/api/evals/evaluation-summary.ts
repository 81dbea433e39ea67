import { z } from "zod";
import type { EvaluationCounts, EvaluationFacts } from "../../../../db/evaluation-view.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";
import { buildCounts, toBuildCounts } from "../builds/build-counts.ts";
import { evaluationStatus, readEvaluationStatus } from "./evaluation-status.ts";

/** What started an evaluation, when no person did. */
export const evaluationTrigger = z.object({
  id: z.uuid(),
  type: z.enum(["polling", "reporter_push", "reporter_pull_request", "time"]),
});

export const evaluationSummary = z.object({
  id: z.uuid(),
  commit: z.string(),
  commit_message: z.string().nullable(),
  status: evaluationStatus,
  trigger: evaluationTrigger.nullable(),
  triggered_by: z.string().nullable(),
  pr_number: z.int().nullable(),
  total_builds: z.int(),
  builds: buildCounts,
  errors: z.int(),
  warnings: z.int(),
  created_at: timestamp,
  updated_at: timestamp,
});

export function toEvaluationSummary(
  row: EvaluationFacts,
  counts: EvaluationCounts | undefined,
): z.infer<typeof evaluationSummary> {
  const builds = toBuildCounts(counts?.builds ?? new Map());
  return {
    id: row.id,
    // Not known before the fetch has ended; clients want text.
    commit: row.commit_hash ?? "",
    commit_message: firstLine(row.commit_message),
    status: readEvaluationStatus(row.state),
    trigger: null,
    triggered_by: row.triggered_by_name,
    pr_number: null,
    total_builds: builds.completed + builds.failed + builds.building + builds.queued,
    builds,
    errors: counts?.errors ?? 0,
    warnings: counts?.warnings ?? 0,
    created_at: toTimestamp(row.created_at),
    updated_at: toTimestamp(row.updated_at),
  };
}

const MAX_LINE_CHARACTERS = 100;

/** The first line of a commit's message that is not blank. */
function firstLine(message: string | null): string | null {
  const line = message?.split("\n").find((each) => each.trim() !== "");
  return line === undefined ? null : line.trim().slice(0, MAX_LINE_CHARACTERS);
}
