import type { BuildLimits } from "@gradient/protocol";
import { organizationIdSchema } from "@gradient/protocol";
import { sql } from "kysely";
import type { BuildState } from "../scheduler/build-state.ts";
import type { ReadyBuild } from "../scheduler/ready-queue.ts";
import type { Queries } from "./client.ts";
import { statedFactsOf } from "./derivation-repository.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";
import { listed, reusable } from "./reusable-query.ts";
import { findEstimates, historyKeyOf } from "./run-history-repository.ts";

/** Builds that wait for a worker. */

export interface OfferableBuild {
  readonly ready: ReadyBuild;
  /** Base name. */
  readonly drvPath: string;
  /** As the derivation states them. */
  readonly limits: BuildLimits;
}

function selectPending(db: Queries) {
  return db
    .selectFrom("attempts")
    .innerJoin("builds", "builds.id", "attempts.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .select([
      "attempts.number",
      "attempts.memory_bytes",
      "builds.id",
      "builds.organization_id",
      "builds.priority",
      "builds.height",
      "builds.ready_at",
      "derivations.drv_path",
      "derivations.name",
      "derivations.system",
      "derivations.required_features_json",
      "derivations.is_fixed_output",
      "derivations.facts_json",
    ])
    .where("attempts.status", "=", sql.lit("pending"))
    .where("builds.state", "=", "Queued" satisfies BuildState);
}

const selectOfferable = reusable((db, attempts: readonly number[]) =>
  selectPending(db)
    .where("attempts.number", "in", listed(attempts))
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom("assignments")
            .select("assignments.fencing")
            .whereRef("assignments.attempt", "=", "attempts.number"),
        ),
      ),
    ),
);

const selectPendingOf = reusable((db, builds: readonly number[]) =>
  selectPending(db).where("builds.id", "in", listed(builds)),
);

/** Of the attempts, the ones that are pending and that nobody holds. */
export async function findOfferableBuilds(
  db: Queries,
  attempts: readonly number[],
): Promise<Map<number, OfferableBuild>> {
  const { rows } = await selectOfferable(db, attempts);
  const offerable = await withEstimates(db, rows);
  return new Map(offerable.map((build) => [build.ready.attempt, build]));
}

type PendingRow = Awaited<ReturnType<typeof selectPendingOf>>["rows"][number];

async function withEstimates(db: Queries, rows: readonly PendingRow[]): Promise<OfferableBuild[]> {
  const stated = rows.map((row) => {
    const { limits, needs, pname } = statedFactsOf(row.facts_json);
    return { row, limits, needs, history: historyKeyOf({ ...row, pname }) };
  });
  const histories = stated.map(({ history }) => history);
  const estimateOf = await findEstimates(db, histories);
  return stated.map(({ row, limits, needs, history }) => ({
    drvPath: row.drv_path,
    limits,
    ready: {
      attempt: row.number,
      build: row.id,
      organization: organizationIdSchema.parse(row.organization_id),
      system: row.system,
      requiredFeatures: readJsonColumn(stringListSchema, row.required_features_json),
      demand: { ...needs, exactMemoryBytes: row.memory_bytes, estimate: estimateOf(history) },
      priority: row.priority,
      height: row.height,
      readyAt: row.ready_at ?? 0,
    },
  }));
}

/** Everything that waits for a worker. */
export async function findReadyBuilds(db: Queries): Promise<ReadyBuild[]> {
  const pending = await withEstimates(db, await selectPending(db).execute());
  return pending.map(({ ready }) => ready);
}

/** Those of the builds (row ids) that have a pending attempt, whoever it is offered to, in no order. */
export async function findReadyBuildsOf(
  db: Queries,
  builds: readonly number[],
): Promise<ReadyBuild[]> {
  const { rows } = await selectPendingOf(db, builds);
  return (await withEstimates(db, rows)).map(({ ready }) => ready);
}
