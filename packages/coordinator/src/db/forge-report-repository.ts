import { sql } from "kysely";
import { placeOf } from "../forges/repository-place.ts";
import { repositoryHost } from "../forges/forge-host.ts";
import { ENDED_EVALUATION_STATES } from "../scheduler/evaluation-state.ts";
import type { Excepted } from "../outbound/outbox.ts";
import type { Queries } from "./client.ts";
import type { Evaluation } from "./evaluation-repository.ts";
import { listIntegrations, type Integration } from "./integration-repository.ts";

/**
 * Notes that the forge of the evaluation's repository is to be told how it goes, when the project says which one by an action, or the
 * organization has an outbound integration for it. In the transaction that begins the evaluation, so that none is forgotten.
 */
export async function insertReport(
  db: Queries,
  evaluation: Pick<Evaluation, "id" | "organization" | "project" | "repository">,
  now: number,
): Promise<void> {
  const { id, organization, project, repository } = evaluation;
  const host = placeOf(repository)?.host;
  const outbound = await listIntegrations(db, organization, "outbound");
  const chosen = project === null ? undefined : await findChosen(db, project);
  const integration = outbound.find(({ id: each, forge, endpoint_url, access_token }) => {
    if (chosen !== undefined) return each === chosen;
    const isThere = host !== undefined && repositoryHost(forge, endpoint_url) === host;
    return access_token !== null && isThere;
  });
  if (integration === undefined) return;
  const fresh = { integration_id: integration.id, sent: null, tries: 0, due_at: now };
  await db
    .insertInto("forge_reports")
    .values({ evaluation_id: id, ...fresh })
    .onConflict((conflict) => conflict.column("evaluation_id").doUpdateSet(fresh))
    .execute();
}

/** The integration that the project's oldest active status report names. */
async function findChosen(db: Queries, project: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("actions")
    .select("integration_id")
    .where("project_id", "=", project)
    .where("type", "=", "forge_status_report")
    .where("active", "=", 1)
    .orderBy("created_at")
    .limit(1)
    .executeTakeFirst();
  return row?.integration_id ?? undefined;
}

/** Something that a forge is to be told now. */
export interface DueReport {
  readonly evaluation: string;
  /** Of the evaluation, as pages name it. */
  readonly number: number;
  readonly sent: "pending" | null;
  readonly tries: number;
  readonly state: string;
  readonly revision: string;
  readonly repository: string;
  readonly pullRequest: number | null;
  readonly needsApproval: boolean;
  readonly dueAt: number;
  readonly organizationName: string;
  readonly projectName: string;
  readonly integration: Integration;
  /** The project's action that asked for it; null when the organization's integration did. */
  readonly action: string | null;
}

const askedBy = sql<string | null>`(
  select id from actions where project_id = projects.id and integration_id = integrations.id and active = 1
  order by created_at limit 1)`.as("action");

/** Reports that are due and whose evaluation has news, those that wait longest first. `except`: ids of evaluations, and all of some integrations. */
export async function findDueReports(
  db: Queries,
  now: number,
  limit: number,
  { ids, senders }: Excepted,
): Promise<DueReport[]> {
  const rows = await db
    .selectFrom("forge_reports")
    .innerJoin("evaluations", "evaluations.id", "forge_reports.evaluation_id")
    .innerJoin("projects", "projects.id", "evaluations.project_id")
    .innerJoin("organizations", "organizations.id", "evaluations.organization_id")
    .innerJoin("integrations", "integrations.id", "forge_reports.integration_id")
    .selectAll("integrations")
    .select([
      "evaluations.id as evaluation",
      "evaluations.number",
      "evaluations.state",
      "evaluations.revision",
      "evaluations.repository",
      "evaluations.pr_number as pullRequest",
      "evaluations.needs_approval",
      "projects.name as projectName",
      "organizations.name as organizationName",
      "forge_reports.sent",
      "forge_reports.tries",
      "forge_reports.due_at as dueAt",
      askedBy,
    ])
    .where("forge_reports.due_at", "<=", now)
    .where("forge_reports.evaluation_id", "not in", ids)
    .where("forge_reports.integration_id", "not in", senders)
    .where((where) =>
      where.or([
        where.and([
          where("forge_reports.sent", "is", null),
          where("evaluations.revision", "is not", null),
        ]),
        where("evaluations.state", "in", ENDED_EVALUATION_STATES),
      ]),
    )
    .orderBy("forge_reports.due_at")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    ...row,
    revision: row.revision ?? "",
    needsApproval: row.needs_approval === 1,
    integration: row,
  }));
}

/** The forge was told that it has begun. */
export async function markPendingSent(db: Queries, evaluation: string): Promise<void> {
  await db
    .updateTable("forge_reports")
    .set({ sent: "pending", tries: 0 })
    .where("evaluation_id", "=", evaluation)
    .execute();
}

/** The forge did not take it: `tries` so far, and when it is told again, in milliseconds since the epoch. */
export async function postponeReport(
  db: Queries,
  evaluation: string,
  { tries, dueAt }: { tries: number; dueAt: number },
): Promise<void> {
  await db
    .updateTable("forge_reports")
    .set({ tries, due_at: dueAt })
    .where("evaluation_id", "=", evaluation)
    .execute();
}

/** There is nothing more to tell, unless the evaluation has begun again meanwhile. */
export async function deleteReport(
  db: Queries,
  { evaluation, dueAt }: Pick<DueReport, "evaluation" | "dueAt">,
): Promise<void> {
  await db
    .deleteFrom("forge_reports")
    .where("evaluation_id", "=", evaluation)
    .where("due_at", "=", dueAt)
    .execute();
}
