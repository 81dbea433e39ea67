import type { OrganizationId } from "@gradient/protocol";
import {
  FAILED_BUILD_STATES,
  SUCCESSFUL_BUILD_STATES,
  UNFINISHED_BUILD_STATES,
  buildTransitions,
  isBuildState,
  type BuildEvent,
  type BuildState,
} from "../scheduler/build-state.ts";
import { ENDED_EVALUATION_STATES } from "../scheduler/evaluation-state.ts";
import { moveOf } from "../scheduler/transition.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import { listed, reusable } from "./reusable-query.ts";

export interface Build {
  readonly id: number;
  readonly derivation: number;
  readonly organization: OrganizationId;
  readonly state: BuildState;
  readonly tries: number;
  /** It is Building, its outputs are built, and dependents do not wait for upload and signatures. */
  readonly isAnnounced: boolean;
}

/** A state as a row has it. Throws for a word that no release wrote: the database is damaged. */
export function buildStateOf(text: string): BuildState {
  if (!isBuildState(text))
    throw new Error(`the database has a build in the unknown state '${text}'`);
  return text;
}

/** By derivation (row ids); a derivation that nobody wants built yet is left out. */
export async function findBuildsOfDerivations(
  db: Queries,
  derivations: readonly number[],
): Promise<Map<number, { id: number; state: BuildState }>> {
  const builds = new Map<number, { id: number; state: BuildState }>();
  for (const batch of batchesOf(derivations)) {
    const rows = await db
      .selectFrom("builds")
      .select(["id", "derivation_id", "state"])
      .where("derivation_id", "in", batch)
      .execute();
    for (const row of rows)
      builds.set(row.derivation_id, { id: row.id, state: buildStateOf(row.state) });
  }
  return builds;
}

export interface NewBuild {
  readonly derivation: number;
  readonly priority: number;
  readonly height: number;
}

/** Makes builds in state Created. Resolves to their ids by derivation. */
export async function insertBuilds(
  db: Queries,
  organization: OrganizationId,
  builds: readonly NewBuild[],
  now: number,
): Promise<Map<number, number>> {
  const ids = new Map<number, number>();
  for (const batch of batchesOf(builds)) {
    const rows = batch.map(({ derivation, priority, height }) => ({
      organization_id: organization,
      derivation_id: derivation,
      state: "Created" satisfies BuildState,
      unmet_dependencies: 0,
      priority,
      height,
      created_at: now,
      updated_at: now,
    }));
    const inserted = await db
      .insertInto("builds")
      .values(rows)
      .returning(["id", "derivation_id"])
      .execute();
    for (const row of inserted) ids.set(row.derivation_id, row.id);
  }
  return ids;
}

/** Columns that a change of state may bring along. */
export interface BuildChange {
  is_announced?: 0;
  message?: string | null;
  tries?: number;
  retry_at?: number | null;
  ready_at?: number | null;
  assigned_at?: number | null;
  started_at?: number | null;
  stopped_at?: number | null;
  stored_at?: number | null;
}

const updateState = reusable(
  (
    db,
    ids: readonly number[],
    from: readonly BuildState[],
    change: BuildChange & { state: BuildState; updated_at: number },
  ) =>
    db
      .updateTable("builds")
      .set(change)
      .where("id", "in", listed(ids))
      .where("state", "in", listed(from))
      .returning("id"),
);

/** Applies the event to those of the builds that are in a state where it is possible. Resolves to their ids. */
export async function moveBuilds(
  db: Queries,
  ids: readonly number[],
  event: BuildEvent,
  now: number,
  change: BuildChange = {},
): Promise<number[]> {
  const { from, to } = moveOf(buildTransitions, event);
  const { rows } = await updateState(db, ids, from, { ...change, state: to, updated_at: now });
  return rows.map(({ id }) => id);
}

const updateAnnounced = reusable((db, id: number, before: number, after: number) =>
  db
    .updateTable("builds")
    .set({ is_announced: after })
    .where("id", "=", id)
    .where("state", "=", "Building" satisfies BuildState)
    .where("is_announced", "=", before),
);

/** Says that dependents do, or do not any more, wait only for the upload and the signatures of a build that runs. False when that was said before, or it does not run. */
export async function setAnnounced(
  db: Queries,
  id: number,
  isAnnounced: boolean,
): Promise<boolean> {
  const [before, after] = isAnnounced ? [0, 1] : [1, 0];
  const { numAffectedRows } = await updateAnnounced(db, id, before, after);
  return (numAffectedRows ?? 0n) > 0n;
}

const meetDependency = reusable((db, derivation: number) =>
  db
    .updateTable("builds")
    .set((eb) => ({ unmet_dependencies: eb("unmet_dependencies", "-", 1) }))
    .where("state", "=", "Created" satisfies BuildState)
    .where("derivation_id", "in", (eb) =>
      eb.selectFrom("derivation_inputs").select("derivation_id").where("input_id", "=", derivation),
    )
    .returning(["id", "unmet_dependencies"]),
);

/** Counts one met dependency for each waiting dependent. Resolves to those, and which of them have none left. */
export async function countDependencyMet(
  db: Queries,
  derivation: number,
): Promise<{ waiting: number[]; ready: number[] }> {
  const { rows } = await meetDependency(db, derivation);
  return {
    waiting: rows.map(({ id }) => id),
    ready: rows.filter((row) => row.unmet_dependencies === 0).map(({ id }) => id),
  };
}

/** The one query that the counter is made from. Resolves to the builds, of the given ones, that wait for nothing. */
export async function recountDependencies(db: Queries, ids: readonly number[]): Promise<number[]> {
  const ready: number[] = [];
  for (const batch of batchesOf(ids)) {
    const rows = await db
      .updateTable("builds")
      .set((eb) => ({
        unmet_dependencies: eb
          .selectFrom("derivation_inputs as edge")
          .leftJoin("builds as input", "input.derivation_id", "edge.input_id")
          .whereRef("edge.derivation_id", "=", "builds.derivation_id")
          .where((where) =>
            where.or([
              where("input.state", "is", null),
              where.and([
                where("input.state", "not in", SUCCESSFUL_BUILD_STATES),
                where.or([
                  where("input.state", "!=", "Building" satisfies BuildState),
                  where("input.is_announced", "=", 0),
                ]),
              ]),
            ]),
          )
          .select((count) => count.fn.countAll<number>().as("count")),
      }))
      .where("id", "in", batch)
      .where("state", "=", "Created" satisfies BuildState)
      .returning(["id", "unmet_dependencies"])
      .execute();
    ready.push(...rows.filter((row) => Number(row.unmet_dependencies) === 0).map(({ id }) => id));
  }
  return ready;
}

/** Waiting builds that use one of these derivations directly. */
export async function findWaitingDependents(
  db: Queries,
  derivations: readonly number[],
): Promise<number[]> {
  const ids = new Set<number>();
  for (const batch of batchesOf(derivations)) {
    const rows = await db
      .selectFrom("derivation_inputs")
      .innerJoin("builds", "builds.derivation_id", "derivation_inputs.derivation_id")
      .select("builds.id")
      .where("derivation_inputs.input_id", "in", batch)
      .where("builds.state", "in", ["Created", "Queued", "FailedTransient"] satisfies BuildState[])
      .execute();
    for (const { id } of rows) ids.add(id);
  }
  return [...ids];
}

/** Ends everything that waits for the derivation, however far away, in one statement. Resolves to the builds. */
export async function failDependents(
  db: Queries,
  derivation: number,
  message: string,
  now: number,
): Promise<number[]> {
  const rows = await db
    .withRecursive("dependent(derivation_id)", (query) =>
      query
        .selectFrom("derivation_inputs as edge")
        .innerJoin("builds", "builds.derivation_id", "edge.derivation_id")
        .select("edge.derivation_id")
        .where("edge.input_id", "=", derivation)
        .where("builds.state", "=", "Created" satisfies BuildState)
        .union((further) =>
          further
            .selectFrom("dependent")
            .innerJoin("derivation_inputs as edge", "edge.input_id", "dependent.derivation_id")
            .innerJoin("builds", "builds.derivation_id", "edge.derivation_id")
            .select("edge.derivation_id")
            .where("builds.state", "=", "Created" satisfies BuildState),
        ),
    )
    .updateTable("builds")
    .set({ state: "DependencyFailed" satisfies BuildState, message, updated_at: now })
    .where("derivation_id", "in", (eb) => eb.selectFrom("dependent").select("derivation_id"))
    .where("state", "=", "Created" satisfies BuildState)
    .returning("id")
    .execute();
  return rows.map(({ id }) => id);
}

/** Inputs of these builds that have failed, with the path of their derivation. */
export async function findFailedInputs(
  db: Queries,
  builds: readonly number[],
): Promise<{ derivation: number; drvPath: string }[]> {
  const found = new Map<number, string>();
  for (const batch of batchesOf(builds)) {
    const rows = await db
      .selectFrom("builds")
      .innerJoin("derivation_inputs", "derivation_inputs.derivation_id", "builds.derivation_id")
      .innerJoin("builds as input", "input.derivation_id", "derivation_inputs.input_id")
      .innerJoin("derivations", "derivations.id", "input.derivation_id")
      .select(["derivations.id", "derivations.drv_path"])
      .distinct()
      .where("builds.id", "in", batch)
      .where("input.state", "in", FAILED_BUILD_STATES)
      .execute();
    for (const row of rows) found.set(row.id, row.drv_path);
  }
  return [...found].map(([derivation, drvPath]) => ({ derivation, drvPath }));
}

/** Lets builds inherit a higher priority. Resolves to the queued ones among them that got it. */
export async function raisePriority(
  db: Queries,
  ids: readonly number[],
  priority: number,
): Promise<number[]> {
  const raised: number[] = [];
  for (const batch of batchesOf(ids)) {
    const rows = await db
      .updateTable("builds")
      .set({ priority })
      .where("id", "in", batch)
      .where("priority", "<", priority)
      .returning(["id", "state"])
      .execute();
    raised.push(...rows.filter(({ state }) => state === "Queued").map(({ id }) => id));
  }
  return raised;
}

export interface UnfinishedBuild {
  readonly id: number;
  readonly derivation: number;
  readonly height: number;
}

/** Builds that the evaluation waits for, in no order, with their heights as they were measured last. */
export async function findUnfinishedBuilds(
  db: Queries,
  evaluationId: string,
): Promise<UnfinishedBuild[]> {
  return db
    .selectFrom("evaluation_builds")
    .innerJoin("builds", "builds.id", "evaluation_builds.build_id")
    .select(["builds.id", "builds.derivation_id as derivation", "builds.height"])
    .where("evaluation_builds.evaluation_id", "=", evaluationId)
    .where("builds.state", "in", UNFINISHED_BUILD_STATES)
    .execute();
}

/** Resolves to the queued builds among those whose height rose. */
export async function raiseHeight(
  db: Queries,
  ids: readonly number[],
  height: number,
): Promise<number[]> {
  const rows = await db
    .updateTable("builds")
    .set({ height })
    .where("id", "in", ids)
    .where("height", "<", height)
    .returning(["id", "state"])
    .execute();
  return rows.filter(({ state }) => state === "Queued").map(({ id }) => id);
}

/** Builds in a failed state whose next attempt is due. */
export async function findDueRetries(db: Queries, now: number): Promise<number[]> {
  const rows = await db
    .selectFrom("builds")
    .select("id")
    .where("retry_at", "is not", null)
    .where("retry_at", "<=", now)
    .where("state", "=", "FailedTransient" satisfies BuildState)
    .execute();
  return rows.map(({ id }) => id);
}

/** Builds of an evaluation that ended without outputs. */
export async function findFailedBuildsOf(db: Queries, evaluationId: string): Promise<number[]> {
  const rows = await db
    .selectFrom("evaluation_builds")
    .innerJoin("builds", "builds.id", "evaluation_builds.build_id")
    .select("builds.id")
    .where("evaluation_builds.evaluation_id", "=", evaluationId)
    .where("builds.state", "in", FAILED_BUILD_STATES)
    .execute();
  return rows.map(({ id }) => id);
}

/** Those of the builds that no active evaluation needs. */
export async function findUnwantedBuilds(db: Queries, ids: readonly number[]): Promise<number[]> {
  const wanted = new Set<number>();
  for (const batch of batchesOf(ids)) {
    const rows = await db
      .selectFrom("evaluation_builds")
      .innerJoin("evaluations", "evaluations.id", "evaluation_builds.evaluation_id")
      .select("evaluation_builds.build_id")
      .distinct()
      .where("evaluation_builds.build_id", "in", batch)
      .where("evaluations.state", "not in", ENDED_EVALUATION_STATES)
      .execute();
    for (const { build_id } of rows) wanted.add(build_id);
  }
  return ids.filter((id) => !wanted.has(id));
}

/** Unfinished builds that this evaluation has and no other active evaluation needs; those that run only when they are asked for. */
export async function findBuildsOnlyOf(
  db: Queries,
  evaluationId: string,
  withRunning: boolean,
): Promise<number[]> {
  const states = UNFINISHED_BUILD_STATES.filter((state) => withRunning || state !== "Building");
  const rows = await db
    .selectFrom("evaluation_builds")
    .innerJoin("builds", "builds.id", "evaluation_builds.build_id")
    .select("builds.id")
    .where("evaluation_builds.evaluation_id", "=", evaluationId)
    .where("builds.state", "in", states)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom("evaluation_builds as other")
            .innerJoin("evaluations", "evaluations.id", "other.evaluation_id")
            .select("other.id")
            .whereRef("other.build_id", "=", "builds.id")
            .where("other.evaluation_id", "!=", evaluationId)
            .where("evaluations.state", "not in", ENDED_EVALUATION_STATES),
        ),
      ),
    )
    .execute();
  return rows.map(({ id }) => id);
}
