import type { FetchResult, InputOverride, OrganizationId } from "@gradient/protocol";
import { sql, type ExpressionBuilder } from "kysely";
import { v7 as uuidv7 } from "uuid";
import type { BuildSettings } from "../rules/build-settings.ts";
import type { EvaluationState } from "../scheduler/evaluation-state.ts";
import type { WaitingReason } from "../scheduler/waiting-reason.ts";
import type { Queries } from "./client.ts";
import { evaluationOf, type Evaluation } from "./evaluation-repository.ts";
import type { TriggerType } from "./forge-tables.ts";
import type { Tables } from "./tables.ts";

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

/** Queued, or waiting for approval when a stranger's pull request needs one. Whether builds' failures are reused is settled here, for all of its life. */
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

function overridesJson(overrides: readonly InputOverride[]): string | null {
  return overrides.length === 0 ? null : JSON.stringify(overrides);
}
