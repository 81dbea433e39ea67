import { z } from "zod";
import {
  findNeighbours,
  listEntryPoints,
  listMessages,
  type EvaluationFacts,
} from "../../../../db/evaluation-view.ts";
import { readJsonColumn } from "../../../../db/json-column.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { buildStatus, readBuildStatus } from "../builds/build-status.ts";
import { attributeText } from "./attribute-text.ts";
import { evaluationParams } from "./evaluation-params.ts";
import { evaluationStatus, readEvaluationStatus } from "./evaluation-status.ts";
import { commitOf, evaluationTrigger, toEvaluationTrigger } from "./evaluation-summary.ts";

/** Why nobody can go on; `kind` says which other fields there are. */
const waitingReason = z.union([
  z.looseObject({
    kind: z.literal("workers"),
    unmet: z.array(
      z.looseObject({
        architecture: z.string(),
        required_features: z.array(z.string()),
        build_count: z.int(),
      }),
    ),
    connected_workers: z.int(),
    available_architectures: z.array(z.string()),
  }),
  z.looseObject({
    kind: z.literal("eval_workers"),
    capability: z.enum(["fetch", "eval"]),
    connected_workers: z.int(),
  }),
  z.looseObject({
    kind: z.literal("approval"),
    pr_number: z.int().nullable(),
    pr_author: z.string().nullable(),
  }),
  z.looseObject({ kind: z.enum(["no_cache", "cache_storage_full", "draining", "aborting"]) }),
  z.looseObject({ kind: z.literal("graph_stuck"), pending_anchors: z.int() }),
  // Of a later release's database.
  z.looseObject({ kind: z.string() }),
]);

const evaluation = z.object({
  id: z.uuid(),
  project: z.uuid().nullable(),
  project_name: z.string().nullable(),
  project_display_name: z.string().nullable(),
  repository: z.string(),
  commit: z.string(),
  commit_id: z.uuid().nullable(),
  wildcard: z.string(),
  status: evaluationStatus,
  previous: z.uuid().nullable(),
  next: z.uuid().nullable(),
  created_at: timestamp,
  updated_at: timestamp,
  error_count: z.int(),
  warning_count: z.int(),
  error: z.string().nullable(),
  entry_points: z.array(z.object({ id: z.uuid(), eval: z.string(), build_status: buildStatus })),
  trigger: evaluationTrigger.nullable(),
  triggered_by: z.string().nullable(),
  pr_number: z.int().nullable(),
  waiting_reason: waitingReason.optional(),
});

/** GET /evals/{id} */
export const getEvaluationRoute: Route = (api, { authority, database }) => {
  api.get(
    "/evals/:id",
    {
      config: { access: "optional" },
      schema: {
        summary: "Shows an evaluation.",
        params: evaluationParams,
        response: { 200: envelope(evaluation) },
      },
    },
    async (request) => {
      const access = await authority.readEvaluation(request.caller, request.params.id);
      const db = database.kysely;
      const row = access.evaluation;
      const messages = await listMessages(db, row.id);
      const errors = messages.filter((message) => message.level === "Error");
      const entryPoints = await listEntryPoints(db, row.id);
      return ok({
        ...toFacts(row),
        ...(await findNeighbours(db, row)),
        error_count: errors.length,
        warning_count: messages.filter((message) => message.level === "Warning").length,
        error: errors.length === 0 ? null : errors.map((message) => message.text).join("\n"),
        entry_points: entryPoints.map((entry) => ({
          id: entry.id,
          eval: attributeText(entry.attribute_json),
          build_status: readBuildStatus(entry.state),
        })),
      });
    },
  );
};

function toFacts(row: EvaluationFacts) {
  const isWaiting = row.state === "Waiting" && row.waiting_reason_json !== null;
  return {
    id: row.id,
    project: row.project_id,
    project_name: row.project_name,
    project_display_name: row.project_display_name,
    repository: row.repository,
    commit: commitOf(row),
    commit_id: row.commit_id,
    wildcard: row.wildcard,
    status: readEvaluationStatus(row.state),
    created_at: toTimestamp(row.created_at),
    updated_at: toTimestamp(row.updated_at),
    trigger: toEvaluationTrigger(row),
    triggered_by: row.triggered_by_name,
    pr_number: row.pr_number,
    ...(isWaiting
      ? { waiting_reason: readJsonColumn(waitingReason, row.waiting_reason_json ?? "") }
      : {}),
  };
}
