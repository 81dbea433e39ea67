import type {
  EvaluationId,
  EvaluationMessage,
  FetchResult,
  OrganizationId,
  UsageRecord,
} from "@gradient/protocol";
import {
  evaluationIdSchema,
  inputOverrideSchema,
  organizationIdSchema,
  type InputOverride,
} from "@gradient/protocol";
import { sql, type ExpressionBuilder, type Selectable } from "kysely";
import { v7 as uuidv7 } from "uuid";
import { z } from "zod";
import type { BuildSettings } from "../rules/build-settings.ts";
import type { AttemptState } from "../scheduler/attempt-state.ts";
import { FAILED_BUILD_STATES, UNFINISHED_BUILD_STATES } from "../scheduler/build-state.ts";
import {
  ENDED_EVALUATION_STATES,
  evaluationTransitions,
  isEvaluationState,
  type EvaluationEvent,
  type EvaluationState,
} from "../scheduler/evaluation-state.ts";
import { moveOf } from "../scheduler/transition.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import type { WaitingReason } from "../scheduler/waiting-reason.ts";
import { readJsonColumn } from "./json-column.ts";
import { registerJobs, type RegisteredJob } from "./project-build-repository.ts";
import type { TriggerType } from "./forge-tables.ts";
import type { EvaluationsTable } from "./evaluation-tables.ts";
import type { Tables } from "./tables.ts";

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

function overridesJson(overrides: readonly InputOverride[]): string | null {
  return overrides.length === 0 ? null : JSON.stringify(overrides);
}

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

/** Resolves to the id of the new row: each evaluation has its own. */
export async function insertCommit(
  db: Queries,
  commit: NonNullable<FetchResult["commit"]>,
  now: number,
): Promise<string> {
  const id = uuidv7();
  await db
    .insertInto("commits")
    .values({
      id,
      hash: commit.hash,
      message: commit.message,
      author_name: commit.authorName,
      author_email: commit.authorEmail,
      created_at: now,
    })
    .execute();
  return id;
}

export interface NewEvaluation {
  readonly organization: OrganizationId;
  readonly project: string | null;
  readonly repository: string;
  readonly wildcard: string;
  readonly priority: number;
  readonly triggeredBy: string | null;
  /** For a source that is there already, and need not be fetched. */
  readonly source?: { readonly base: string; readonly commitId: string };
  readonly inputOverrides?: readonly InputOverride[];
  readonly revision?: string | null;
  readonly reference?: string | null;
  readonly trigger?: { readonly id: string; readonly type: TriggerType } | null;
  readonly pullRequest?: PullRequest | null;
  readonly settings?: BuildSettings;
}

/** What is known of the pull request that an evaluation is for. */
export interface PullRequest {
  readonly number: number;
  readonly author: string;
  readonly needsApproval: boolean;
}

export async function insertEvaluation(
  db: Queries,
  evaluation: NewEvaluation,
  now: number,
): Promise<Evaluation> {
  const { trigger, pullRequest, revision = null, reference = null } = evaluation;
  const waitsFor = pullRequest?.needsApproval === true ? approvalReason(pullRequest) : null;
  const { reusesFailures = null, reusesTimeouts = null, keepsRunning } = evaluation.settings ?? {};
  const row = await db
    .insertInto("evaluations")
    .values((eb) => ({
      id: uuidv7(),
      organization_id: evaluation.organization,
      project_id: evaluation.project,
      repository: evaluation.repository,
      wildcard: evaluation.wildcard,
      state: (waitsFor === null ? "Queued" : "Waiting") satisfies EvaluationState,
      waiting_reason_json: waitsFor === null ? null : JSON.stringify(waitsFor),
      needs_approval: waitsFor === null ? 0 : 1,
      source_path: evaluation.source?.base ?? null,
      commit_id: evaluation.source?.commitId ?? null,
      input_overrides_json: overridesJson(evaluation.inputOverrides ?? []),
      priority: evaluation.priority,
      triggered_by: evaluation.triggeredBy,
      revision,
      reference,
      trigger_id: trigger?.id ?? null,
      trigger_type: trigger?.type ?? null,
      pr_number: pullRequest?.number ?? null,
      pr_author: pullRequest?.author ?? null,
      reuse_build_failures: settingOf(eb, evaluation, "reuse_build_failures", reusesFailures),
      reuse_build_timeouts: settingOf(eb, evaluation, "reuse_build_timeouts", reusesTimeouts),
      ends_with_client: keepsRunning === false ? 1 : 0,
      created_at: now,
      updated_at: now,
    }))
    .returningAll()
    .executeTakeFirstOrThrow();
  return evaluationOf(row);
}

/** The organization's, unless whoever starts it says otherwise. */
function settingOf(
  eb: ExpressionBuilder<Tables, "evaluations">,
  { organization }: NewEvaluation,
  column: "reuse_build_failures" | "reuse_build_timeouts",
  value: boolean | null,
) {
  return eb.fn.coalesce(
    eb.val(value === null ? null : value ? (1 as const) : (0 as const)),
    eb.selectFrom("organizations").select(column).where("id", "=", organization),
    sql<0 | 1>`0`,
  );
}

function approvalReason({ number, author }: PullRequest): WaitingReason {
  return { kind: "approval", pr_number: number, pr_author: author };
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

export function usageJson(usage: UsageRecord | null): string | null {
  return usage === null ? null : JSON.stringify(usage);
}

export async function insertMessages(
  db: Queries,
  evaluationId: string,
  messages: readonly EvaluationMessage[],
  now: number,
): Promise<void> {
  for (const batch of batchesOf(messages)) {
    const rows = batch.map(({ level, text, attribute }) => ({
      evaluation_id: evaluationId,
      level,
      text,
      attribute_json: attribute === undefined ? null : JSON.stringify(attribute),
      created_at: now,
    }));
    await db.insertInto("evaluation_messages").values(rows).execute();
  }
}

/** Forgets the jobs of an evaluation and what was said of single attributes. Its builds stay. */
export async function deleteDelivered(db: Queries, evaluationId: string): Promise<void> {
  await db.deleteFrom("jobs").where("evaluation_id", "=", evaluationId).execute();
  await db
    .deleteFrom("evaluation_messages")
    .where("evaluation_id", "=", evaluationId)
    .where("attribute_json", "is not", null)
    .execute();
}

export interface JobRecord {
  readonly attribute: readonly string[];
  readonly derivation: number | null;
  readonly error: string | null;
}

/** Adds jobs; what an earlier try of the evaluation said of the same attribute is replaced. */
export async function upsertJobs(
  db: Queries,
  evaluationId: string,
  jobs: readonly JobRecord[],
  now: number,
): Promise<void> {
  // One statement must not touch a row twice.
  const byAttribute = new Map(jobs.map((job) => [JSON.stringify(job.attribute), job]));
  const built = [...byAttribute].flatMap(([text, { attribute, derivation }]) =>
    derivation === null ? [] : [{ text, attribute, derivation }],
  );
  const registered = new Map<string, RegisteredJob>();
  for (const [{ text }, job] of await registerJobs(db, evaluationId, built)) {
    registered.set(text, job);
  }
  for (const batch of batchesOf(byAttribute)) {
    const rows = batch.map(([attribute, { derivation, error }]) => ({
      evaluation_id: evaluationId,
      attribute_json: attribute,
      derivation_id: derivation,
      error,
      created_at: now,
      name: registered.get(attribute)?.name ?? null,
      evaluation_number: registered.get(attribute)?.evaluationNumber ?? null,
      build_number: registered.get(attribute)?.buildNumber ?? null,
    }));
    await db
      .insertInto("jobs")
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(["evaluation_id", "attribute_json"]).doUpdateSet((eb) => ({
          derivation_id: eb.ref("excluded.derivation_id"),
          error: eb.ref("excluded.error"),
          name: eb.ref("excluded.name"),
          evaluation_number: eb.ref("excluded.evaluation_number"),
          build_number: eb.ref("excluded.build_number"),
        })),
      )
      .execute();
  }
}

export async function hasFailedJob(db: Queries, evaluationId: string): Promise<boolean> {
  const row = await db
    .selectFrom("jobs")
    .select("evaluation_id")
    .where("evaluation_id", "=", evaluationId)
    .where("error", "is not", null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

export async function hasFailedBuild(db: Queries, evaluationId: string): Promise<boolean> {
  const row = await db
    .selectFrom("evaluation_builds")
    .innerJoin("builds", "builds.id", "evaluation_builds.build_id")
    .select("builds.id")
    .where("evaluation_builds.evaluation_id", "=", evaluationId)
    .where("builds.state", "in", FAILED_BUILD_STATES)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Links builds to an evaluation. Resolves to the builds that were not linked before. */
export async function linkBuilds(
  db: Queries,
  evaluationId: string,
  builds: readonly number[],
): Promise<number[]> {
  const linked: number[] = [];
  for (const batch of batchesOf(builds)) {
    const rows = await db
      .insertInto("evaluation_builds")
      .values(
        batch.map((build) => ({ id: uuidv7(), evaluation_id: evaluationId, build_id: build })),
      )
      .onConflict((conflict) => conflict.columns(["evaluation_id", "build_id"]).doNothing())
      .returning("build_id")
      .execute();
    linked.push(...rows.map(({ build_id }) => build_id));
  }
  return linked;
}

/** Notes for an evaluation which failed attempt stands for each build that is not run again. */
export async function noteReused(
  db: Queries,
  evaluationId: string,
  attempts: ReadonlyMap<number, number>,
): Promise<void> {
  for (const [build, reused_attempt] of attempts) {
    await db
      .updateTable("evaluation_builds")
      .set({ reused_attempt })
      .where("evaluation_id", "=", evaluationId)
      .where("build_id", "=", build)
      .execute();
  }
}

/** How many of these builds each active evaluation is linked to. */
export async function countLinks(
  db: Queries,
  builds: readonly number[],
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const batch of batchesOf(builds)) {
    const rows = await db
      .selectFrom("evaluation_builds")
      .innerJoin("evaluations", "evaluations.id", "evaluation_builds.evaluation_id")
      .select((eb) => ["evaluations.id", eb.fn.countAll().as("count")])
      .where("evaluation_builds.build_id", "in", batch)
      .where("evaluations.state", "not in", ENDED_EVALUATION_STATES)
      .groupBy("evaluations.id")
      .execute();
    for (const { id, count } of rows) counts.set(id, (counts.get(id) ?? 0) + Number(count));
  }
  return counts;
}

/** Changes the counter and resolves to its new value. */
export async function addUnfinishedBuilds(
  db: Queries,
  evaluationId: string,
  difference: number,
): Promise<number> {
  const row = await db
    .updateTable("evaluations")
    .set((eb) => ({ unfinished_builds: eb("unfinished_builds", "+", difference) }))
    .where("id", "=", evaluationId)
    .returning("unfinished_builds")
    .executeTakeFirstOrThrow();
  return row.unfinished_builds;
}

/** The one query that the counter is made from. */
export async function countUnfinishedBuilds(db: Queries, evaluationId: string): Promise<number> {
  const row = await db
    .selectFrom("evaluation_builds")
    .innerJoin("builds", "builds.id", "evaluation_builds.build_id")
    .select((eb) => eb.fn.countAll().as("count"))
    .where("evaluation_builds.evaluation_id", "=", evaluationId)
    .where("builds.state", "in", UNFINISHED_BUILD_STATES)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** What the queued builds of an evaluation ask of a worker, with how many ask it; and whether some build runs. */
export async function findDemand(
  db: Queries,
  evaluationId: string,
): Promise<{
  queued: {
    system: string;
    requiredFeaturesJson: string;
    memoryBytes: number | null;
    count: number;
  }[];
  running: number;
}> {
  const rows = await db
    .selectFrom("evaluation_builds")
    .innerJoin("builds", "builds.id", "evaluation_builds.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .leftJoin("attempts", (join) =>
      join
        .onRef("attempts.build_id", "=", "builds.id")
        .on("attempts.status", "=", "pending" satisfies AttemptState),
    )
    .select((eb) => [
      "builds.state",
      "derivations.system",
      "derivations.required_features_json",
      "attempts.memory_bytes",
      eb.fn.countAll().as("count"),
    ])
    .where("evaluation_builds.evaluation_id", "=", evaluationId)
    .where("builds.state", "in", ["Queued", "Building", "FailedTransient"])
    .groupBy([
      "builds.state",
      "derivations.system",
      "derivations.required_features_json",
      "attempts.memory_bytes",
    ])
    .execute();
  const queued = rows
    .filter(({ state }) => state === "Queued")
    .map((row) => ({
      system: row.system,
      requiredFeaturesJson: row.required_features_json,
      memoryBytes: row.memory_bytes,
      count: Number(row.count),
    }));
  const running = rows
    .filter(({ state }) => state !== "Queued")
    .reduce((sum, { count }) => sum + Number(count), 0);
  return { queued, running };
}
