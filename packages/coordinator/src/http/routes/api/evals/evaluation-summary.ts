import { z } from "zod";
import type { EvaluationCounts, EvaluationFacts } from "../../../../db/evaluation-view.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";
import { buildCounts, toBuildCounts } from "../builds/build-counts.ts";
import { evaluationStatus, readEvaluationStatus } from "./evaluation-status.ts";

export const triggerType = z.enum(["polling", "reporter_push", "reporter_pull_request", "time"]);

/** What started an evaluation, when no person did. The trigger itself may be gone. */
export const evaluationTrigger = z
  .object({ id: z.uuid(), type: triggerType })
  .meta({ id: "EvaluationTrigger" });

/** null for an evaluation that a person asked for. */
export function toEvaluationTrigger({
  trigger_id: id,
  trigger_type: type,
}: EvaluationFacts): z.infer<typeof evaluationTrigger> | null {
  return id === null || type === null ? null : { id, type };
}

/** Where nobody named it from the start, it is not known before the fetch has ended; clients want text. */
export function commitOf(row: EvaluationFacts): string {
  return row.commit_hash ?? row.revision ?? "";
}

export const evaluationSummary = z
  .object({
    id: z.uuid(),
    commit: z.string(),
    commit_message: z.string().nullable(),
    /** Full reference that the commit was fetched from, such as refs/heads/main; null is the remote's HEAD. */
    reference: z.string().nullable(),
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
  })
  .meta({ id: "EvaluationSummary" });

/** `counts` is undefined for an evaluation that nothing was counted of: it has no builds and no messages. */
export function toEvaluationSummary(
  row: EvaluationFacts,
  counts: EvaluationCounts | undefined,
): z.infer<typeof evaluationSummary> {
  const builds = toBuildCounts(counts?.builds ?? new Map());
  return {
    id: row.id,
    commit: commitOf(row),
    commit_message: firstLine(row.commit_message),
    reference: row.reference,
    status: readEvaluationStatus(row.state),
    trigger: toEvaluationTrigger(row),
    triggered_by: row.triggered_by_name,
    pr_number: row.pr_number,
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
