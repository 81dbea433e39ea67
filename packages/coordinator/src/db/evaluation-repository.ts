import {
  evaluationIdSchema,
  inputOverrideSchema,
  organizationIdSchema,
  type EvaluationId,
  type InputOverride,
  type OrganizationId,
  type UsageRecord,
} from "@gradient/protocol";
import { sql, type Selectable } from "kysely";
import { z } from "zod";
import {
  evaluationTransitions,
  isEvaluationState,
  type EvaluationEvent,
  type EvaluationState,
} from "../scheduler/evaluation-state.ts";
import { moveOf } from "../scheduler/transition.ts";
import type { Queries } from "./client.ts";
import type { EvaluationsTable } from "./evaluation-tables.ts";
import { readJsonColumn } from "./json-column.ts";

/** As in the index evaluations_active: with bound values the index would not be used. */
export const IS_ACTIVE = sql<boolean>`"evaluations"."state" not in ('Completed', 'Failed', 'Aborted')`;

export interface Evaluation {
  readonly id: EvaluationId;
  readonly organization: OrganizationId;
  readonly project: string | null;
  readonly repository: string;
  readonly wildcard: string;
  /** Base name of the fetched tree. */
  readonly source: string | null;
  readonly state: EvaluationState;
  readonly waitingReasonJson: string | null;
  readonly priority: number;
  readonly unfinishedBuilds: number;
  readonly tries: number;
  readonly retryAt: number | null;
  readonly createdAt: number;
  readonly isEvaluated: boolean;
  readonly inputOverrides: readonly InputOverride[];
  /** Hash of its commit, where it is known. */
  readonly revision: string | null;
  /** Full reference that the commit is fetched from; null is the remote's HEAD. */
  readonly reference: string | null;
  readonly pullRequest: number | null;
  /** Nothing of it runs before somebody has allowed it. */
  readonly needsApproval: boolean;
}

const overridesSchema = z.array(inputOverrideSchema);

/** Throws for a state that no release wrote: the database is damaged. */
export function evaluationOf(row: Selectable<EvaluationsTable>): Evaluation {
  if (!isEvaluationState(row.state)) {
    throw new Error(`the database has an evaluation in the unknown state '${row.state}'`);
  }
  return {
    id: evaluationIdSchema.parse(row.id),
    organization: organizationIdSchema.parse(row.organization_id),
    project: row.project_id,
    repository: row.repository,
    wildcard: row.wildcard,
    source: row.source_path,
    state: row.state,
    waitingReasonJson: row.waiting_reason_json,
    priority: row.priority,
    unfinishedBuilds: row.unfinished_builds,
    tries: row.tries,
    retryAt: row.retry_at,
    createdAt: row.created_at,
    isEvaluated: row.building_started_at !== null,
    inputOverrides:
      row.input_overrides_json === null
        ? []
        : readJsonColumn(overridesSchema, row.input_overrides_json),
    revision: row.revision,
    reference: row.reference,
    pullRequest: row.pr_number,
    needsApproval: row.needs_approval === 1,
  };
}

/** null for one that does not exist any more: it may go with its project at any time. */
export async function findEvaluation(db: Queries, id: string): Promise<Evaluation | null> {
  const row = await db
    .selectFrom("evaluations")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  return row === undefined ? null : evaluationOf(row);
}

/** Active evaluations, oldest first; all of them or those of one organization. */
export async function findActiveEvaluations(
  db: Queries,
  organization?: string,
): Promise<Evaluation[]> {
  let query = db.selectFrom("evaluations").selectAll().where(IS_ACTIVE);
  if (organization !== undefined) query = query.where("organization_id", "=", organization);
  const rows = await query.orderBy("created_at").execute();
  return rows.map(evaluationOf);
}

/** Lets an evaluation run that waits for approval. False when it does not. */
export async function approveEvaluation(
  db: Queries,
  id: string,
  approvedBy: string,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("evaluations")
    .set({ needs_approval: 0, approved_by: approvedBy })
    .where("id", "=", id)
    .where("needs_approval", "=", 1)
    .where(IS_ACTIVE)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

/** Columns that a change of state may bring along. */
export interface EvaluationChange {
  revision?: string;
  unfinished_builds?: number;
  waiting_reason_json?: string | null;
  commit_id?: string;
  source_path?: string;
  tries?: number;
  retry_at?: number | null;
  fetch_started_at?: number;
  eval_started_at?: number;
  building_started_at?: number;
  finished_at?: number | null;
  fetch_usage_json?: string | null;
  eval_usage_json?: string | null;
}

/** Applies the event as compare and set: false when the evaluation is in no state where it is possible. */
export async function moveEvaluation(
  db: Queries,
  id: string,
  event: EvaluationEvent,
  now: number,
  change: EvaluationChange = {},
): Promise<boolean> {
  const { from, to } = moveOf(evaluationTransitions, event);
  const { numUpdatedRows } = await db
    .updateTable("evaluations")
    .set({ ...change, state: to, updated_at: now })
    .where("id", "=", id)
    .where("state", "in", from)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

/** Changes columns and no state: moveEvaluation does that. */
export async function setEvaluationFacts(
  db: Queries,
  id: string,
  now: number,
  change: EvaluationChange,
): Promise<void> {
  await db
    .updateTable("evaluations")
    .set({ ...change, updated_at: now })
    .where("id", "=", id)
    .execute();
}

/** null for work that nobody measured. */
export function usageJson(usage: UsageRecord | null): string | null {
  return usage === null ? null : JSON.stringify(usage);
}
