import { v7 as uuidv7 } from "uuid";
import type { AttemptState } from "../scheduler/attempt-state.ts";
import { FAILED_BUILD_STATES, UNFINISHED_BUILD_STATES } from "../scheduler/build-state.ts";
import { ENDED_EVALUATION_STATES } from "../scheduler/evaluation-state.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import { listed, reusable } from "./reusable-query.ts";

/** Also builds that were not run because a dependency failed, and aborted ones. */
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

const selectLinkCounts = reusable((db, builds: readonly number[]) =>
  db
    .selectFrom("evaluation_builds")
    .innerJoin("evaluations", "evaluations.id", "evaluation_builds.evaluation_id")
    .select((eb) => ["evaluations.id", eb.fn.countAll<number>().as("count")])
    .where("evaluation_builds.build_id", "in", listed(builds))
    .where("evaluations.state", "not in", ENDED_EVALUATION_STATES)
    .groupBy("evaluations.id"),
);

/** How many of these builds each active evaluation is linked to. */
export async function countLinks(
  db: Queries,
  builds: readonly number[],
): Promise<Map<string, number>> {
  const { rows } = await selectLinkCounts(db, builds);
  return new Map(rows.map(({ id, count }) => [id, count]));
}

const updateUnfinished = reusable((db, evaluationId: string, difference: number) =>
  db
    .updateTable("evaluations")
    .set((eb) => ({ unfinished_builds: eb("unfinished_builds", "+", difference) }))
    .where("id", "=", evaluationId)
    .returning("unfinished_builds"),
);

/** Changes the counter and resolves to its new value. */
export async function addUnfinishedBuilds(
  db: Queries,
  evaluationId: string,
  difference: number,
): Promise<number> {
  const [row] = (await updateUnfinished(db, evaluationId, difference)).rows;
  if (row === undefined) throw new Error(`evaluation ${evaluationId} does not exist`);
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
