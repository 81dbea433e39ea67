import type { BuildLimits } from "@gradient/protocol";
import { organizationIdSchema } from "@gradient/protocol";
import { sql } from "kysely";
import type { BuildState } from "../scheduler/build-state.ts";
import type { ReadyBuild, ReadyGroup } from "../scheduler/ready-queue.ts";
import type { Queries } from "./client.ts";
import { statedFactsOf } from "./derivation-repository.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";
import { listed, reusable } from "./reusable-query.ts";
import { findEstimates, historyKeyOf } from "./run-history-repository.ts";

/** Builds that wait for a worker. */

/** What a worker is told of a build, and is chosen by. */
export interface BuildOrder extends ReadyGroup {
  /** Row id. */
  readonly build: number;
  /** Base name. */
  readonly drvPath: string;
  /** As the derivation states them. */
  readonly limits: BuildLimits;
}

export interface OfferableBuild extends BuildOrder {
  readonly ready: ReadyBuild;
}

/** What an order is read from, beside its attempt's memory. */
const orderColumns = [
  "builds.id",
  "builds.organization_id",
  "derivations.drv_path",
  "derivations.name",
  "derivations.system",
  "derivations.required_features_json",
  "derivations.is_fixed_output",
  "derivations.facts_json",
] as const;

function selectPending(db: Queries) {
  return db
    .selectFrom("attempts")
    .innerJoin("builds", "builds.id", "attempts.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .select([
      ...orderColumns,
      "attempts.number",
      "attempts.memory_bytes",
      "builds.priority",
      "builds.height",
      "builds.ready_at",
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
type OrderRow = Omit<PendingRow, "number" | "priority" | "height" | "ready_at">;

async function ordersOf<Row extends OrderRow>(
  db: Queries,
  rows: readonly Row[],
): Promise<{ row: Row; order: BuildOrder }[]> {
  const stated = rows.map((row) => {
    const { limits, needs, pname } = statedFactsOf(row.facts_json);
    return { row, limits, needs, history: historyKeyOf({ ...row, pname }) };
  });
  const histories = stated.map(({ history }) => history);
  const estimateOf = await findEstimates(db, histories);
  return stated.map(({ row, limits, needs, history }) => ({
    row,
    order: {
      build: row.id,
      drvPath: row.drv_path,
      limits,
      organization: organizationIdSchema.parse(row.organization_id),
      system: row.system,
      requiredFeatures: readJsonColumn(stringListSchema, row.required_features_json),
      demand: { ...needs, exactMemoryBytes: row.memory_bytes, estimate: estimateOf(history) },
    },
  }));
}

async function withEstimates(db: Queries, rows: readonly PendingRow[]): Promise<OfferableBuild[]> {
  return (await ordersOf(db, rows)).map(({ row, order }) => {
    const { build, organization, system, requiredFeatures, demand } = order;
    const { number: attempt, priority, height, ready_at: readyAt } = row;
    const group = { organization, system, requiredFeatures, demand };
    return {
      ...order,
      ready: { attempt, build, ...group, priority, height, readyAt: readyAt ?? 0 },
    };
  });
}

const selectAfter = reusable((db, attempt: number) =>
  db
    .selectFrom("attempts")
    .innerJoin("builds as input", "input.id", "attempts.build_id")
    .innerJoin("derivation_inputs as edge", "edge.input_id", "input.derivation_id")
    .innerJoin("builds", "builds.derivation_id", "edge.derivation_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .select([...orderColumns, sql<null>`null`.as("memory_bytes")])
    .where("attempts.number", "=", attempt)
    .where("builds.state", "=", "Created" satisfies BuildState)
    .where("builds.unmet_dependencies", "=", 1)
    .orderBy("builds.priority", "desc")
    .orderBy("builds.height", "desc")
    .orderBy("builds.id")
    // As a value it would have SQLite compile the statement each time.
    .limit(sql.lit(1)),
);

/** Of the builds that wait for nothing but what this attempt makes, the first in order; null when there is none. */
export async function findBuildAfter(db: Queries, attempt: number): Promise<BuildOrder | null> {
  const { rows } = await selectAfter(db, attempt);
  const [found] = await ordersOf(db, rows);
  return found?.order ?? null;
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
