import { sql, type Selectable } from "kysely";
import { isAttemptState, type AttemptState } from "../scheduler/attempt-state.ts";
import {
  isBuildState,
  SUCCESSFUL_BUILD_STATES,
  type BuildState,
} from "../scheduler/build-state.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import type { AttemptsTable } from "./build-tables.ts";

/**
 * Reads of evaluation builds for the API: the link (evaluation, build) has the id, the build the state, its newest attempt the figures.
 */

function linkedBuilds(db: Queries) {
  return db
    .selectFrom("evaluation_builds as link")
    .innerJoin("builds", "builds.id", "link.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id");
}

/** Number of the build's newest attempt; null when there is none. */
function newestAttempt(build: "builds.id" | "page.build_id") {
  return sql<number>`(select max(attempts.number) from attempts where attempts.build_id = ${sql.ref(build)})`;
}

function linkQuery(db: Queries) {
  return linkedBuilds(db).leftJoin("attempts as attempt", (join) =>
    join.on("attempt.number", "=", newestAttempt("builds.id")),
  );
}

export interface BuildFacts {
  id: string;
  evaluation_id: string;
  organization_id: string;
  build_id: number;
  derivation_id: number;
  drv_path: string;
  name: string;
  system: string;
  state: string;
  message: string | null;
  created_at: number;
  updated_at: number;
  ready_at: number | null;
  assigned_at: number | null;
  started_at: number | null;
  stopped_at: number | null;
  stored_at: number | null;
  attempt: number | null;
  attempt_status: string | null;
  worker_id: string | null;
  usage_json: string | null;
  reused_attempt: number | null;
}

/** An evaluation build by its UUID, with the build's state and the figures of its newest attempt. Times are milliseconds since the epoch. */
export function findBuildFacts(db: Queries, id: string): Promise<BuildFacts | undefined> {
  return linkQuery(db)
    .select([
      "link.id",
      "link.evaluation_id",
      "link.reused_attempt",
      "builds.organization_id",
      "builds.id as build_id",
      "derivations.id as derivation_id",
      "derivations.drv_path",
      "derivations.name",
      "derivations.system",
      "builds.state",
      "builds.message",
      "builds.created_at",
      "builds.updated_at",
      "builds.ready_at",
      "builds.assigned_at",
      "builds.started_at",
      "builds.stopped_at",
      "builds.stored_at",
      "attempt.number as attempt",
      "attempt.status as attempt_status",
      "attempt.worker_id",
      "attempt.usage_json",
    ])
    .where("link.id", "=", id)
    .executeTakeFirst();
}

/** Every execution of the build, the newest first. */
export function listAttempts(db: Queries, build: number): Promise<Selectable<AttemptsTable>[]> {
  return db
    .selectFrom("attempts")
    .selectAll()
    .where("build_id", "=", build)
    .orderBy("number", "desc")
    .execute();
}

/** Outputs by name; null for one whose path is not known before it is built. */
export function listOutputs(
  db: Queries,
  derivationId: number,
): Promise<{ name: string; path: string | null }[]> {
  return db
    .selectFrom("derivation_outputs")
    .select(["name", "path"])
    .where("derivation_id", "=", derivationId)
    .orderBy("name")
    .execute();
}

export interface BuildItem {
  id: string;
  derivation_id: number;
  drv_path: string;
  state: string;
  updated_at: number;
  started_at: number | null;
  stopped_at: number | null;
  attempt: number | null;
  cpu_time_ms: number | null;
  memory_peak_bytes: number | null;
}

export interface BuildListRequest {
  evaluationId: string;
  /** null for all. */
  limit: number | null;
  offset: number;
  /** Only this build's derivation and what it depends on; null for all. */
  scopeDerivationId: number | null;
}

/** In the order of the index: what runs first, then what waits, what failed, what was given up, what is done; each by name. */
export async function listBuilds(
  db: Queries,
  request: BuildListRequest,
): Promise<{ builds: BuildItem[]; total: number; activeCount: number }> {
  const scoped = scopedQuery(db, request);
  // What the links do not have is looked up for the page alone.
  const page = scoped
    .select(["link.id", "link.build_id", "link.list_rank", "link.list_name"])
    .orderBy("link.list_rank")
    .orderBy("link.list_name")
    .orderBy("link.build_id")
    .limit(request.limit ?? Number.MAX_SAFE_INTEGER)
    .offset(request.offset)
    .as("page");
  const rows = await db
    .selectFrom(page)
    .innerJoin("builds", "builds.id", "page.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .leftJoin("attempts as attempt", (join) =>
      join.on("attempt.number", "=", newestAttempt("page.build_id")),
    )
    .select([
      "page.id",
      "builds.derivation_id",
      "derivations.drv_path",
      "builds.state",
      "builds.updated_at",
      "builds.started_at",
      "builds.stopped_at",
      "attempt.number as attempt",
      "attempt.cpu_time_ms",
      "attempt.memory_peak_bytes",
    ])
    .orderBy("page.list_rank")
    .orderBy("page.list_name")
    .orderBy("page.build_id")
    .execute();
  return { builds: rows, ...(await countBuilds(scoped, request, rows)) };
}

/** Counted in the database only when the rows are not all. */
async function countBuilds(
  scoped: ReturnType<typeof scopedQuery>,
  { limit, offset }: BuildListRequest,
  rows: readonly { state: string }[],
): Promise<{ total: number; activeCount: number }> {
  if (limit === null && offset === 0) {
    const isDone = (state: string): boolean =>
      SUCCESSFUL_BUILD_STATES.some((successful) => successful === state);
    return { total: rows.length, activeCount: rows.filter(({ state }) => !isDone(state)).length };
  }
  const counts = await scoped
    .select((select) => [
      select.fn.countAll<number>().as("total"),
      select.fn
        .countAll<number>()
        .filterWhere("link.state", "not in", SUCCESSFUL_BUILD_STATES)
        .as("active"),
    ])
    .executeTakeFirstOrThrow();
  return { total: Number(counts.total), activeCount: Number(counts.active) };
}

function scopedQuery(db: Queries, request: BuildListRequest) {
  const query = db
    .selectFrom("evaluation_builds as link")
    .where("link.evaluation_id", "=", request.evaluationId);
  const root = request.scopeDerivationId;
  if (root === null) return query;
  return query.where("link.build_id", "in", (where) =>
    where
      .selectFrom(
        sql<{ id: number }>`(
          with recursive needed(id) as (
            select cast(${root} as integer)
            union
            select derivation_inputs.input_id from derivation_inputs
            join needed on needed.id = derivation_inputs.derivation_id)
          select builds.id from needed cross join builds on builds.derivation_id = needed.id)`.as(
          "needed",
        ),
      )
      .select("needed.id"),
  );
}

/** A derivation of the evaluation, as a node of its dependency graph. */
export interface BuildNode {
  id: string;
  derivation_id: number;
  name: string;
  drv_path: string;
  state: string;
  created_at: number;
  updated_at: number;
}

/** Each with who needs it. One text for any number of derivations: a graph asks for each of its levels. */
export async function listInputs(
  db: Queries,
  evaluationId: string,
  derivationIds: readonly number[],
): Promise<(BuildNode & { needed_by: number })[]> {
  const { rows } = await sql<BuildNode & { needed_by: number }>`
    select link.id, derivations.id as derivation_id, derivations.name, derivations.drv_path,
      builds.state, builds.created_at, builds.updated_at, edge.derivation_id as needed_by
    from json_each(${JSON.stringify(derivationIds)}) wanted
      cross join derivation_inputs edge on edge.derivation_id = wanted.value
      cross join builds on builds.derivation_id = edge.input_id
      cross join evaluation_builds link on link.build_id = builds.id and link.evaluation_id = ${evaluationId}
      cross join derivations on derivations.id = builds.derivation_id
    order by derivations.name
  `.execute(db);
  return rows;
}

/**
 * Builds of the evaluation that each of the derivations needs directly, counted by state. The cross joins keep SQLite from starting at the
 * evaluation's builds, which may be many thousands.
 */
export async function countDependencies(
  db: Queries,
  evaluationId: string,
  derivationIds: readonly number[],
): Promise<Map<number, Map<string, number>>> {
  const counts = new Map<number, Map<string, number>>();
  for (const batch of batchesOf(derivationIds)) {
    const rows = await db
      .selectFrom("derivation_inputs as edge")
      .crossJoin("builds")
      .crossJoin("evaluation_builds as link")
      .whereRef("builds.derivation_id", "=", "edge.input_id")
      .whereRef("link.build_id", "=", "builds.id")
      .where("edge.derivation_id", "in", batch)
      .where("link.evaluation_id", "=", evaluationId)
      .select((select) => [
        "edge.derivation_id",
        "builds.state",
        select.fn.countAll<number>().as("count"),
      ])
      .groupBy(["edge.derivation_id", "builds.state"])
      .execute();
    for (const row of rows) {
      const states = counts.get(row.derivation_id) ?? new Map<string, number>();
      counts.set(row.derivation_id, states.set(row.state, Number(row.count)));
    }
  }
  return counts;
}

/** What a log stream follows: a build and how its newest attempt stands. */
export interface BuildProgress {
  id: string;
  name: string;
  state: BuildState;
  updated_at: number;
  attempt: number | null;
  attempt_status: AttemptState | null;
}

const PROGRESS = [
  "link.id",
  "derivations.name",
  "builds.state",
  "builds.updated_at",
  "attempt.number as attempt",
  "attempt.status as attempt_status",
] as const;

/** Builds of the evaluation that changed since then, in the order of their attempts. */
export async function listProgress(
  db: Queries,
  evaluationId: string,
  changedSince: number,
): Promise<BuildProgress[]> {
  const rows = await linkQuery(db)
    .select(PROGRESS)
    .where("link.evaluation_id", "=", evaluationId)
    .where("builds.updated_at", ">=", changedSince)
    .orderBy("attempt.number")
    .execute();
  return rows.map(toProgress);
}

/** An evaluation build by its UUID: what has to be read again and again while somebody follows its log. */
export async function findProgress(db: Queries, id: string): Promise<BuildProgress | undefined> {
  const row = await linkQuery(db).select(PROGRESS).where("link.id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toProgress(row);
}

function toProgress(
  row: Omit<BuildProgress, "state" | "attempt_status"> & {
    state: string;
    attempt_status: string | null;
  },
): BuildProgress {
  const { state, attempt_status: status } = row;
  if (!isBuildState(state) || (status !== null && !isAttemptState(status))) {
    throw new Error(`build ${row.id} is in the unknown state ${state} (${status})`);
  }
  return { ...row, state, attempt_status: status };
}

/**
 * Newest attempt of a derivation that the cache holds: its .drv file, or one of its outputs. undefined when there is none. The attempt may
 * be of any organization that fills the cache.
 */
export async function findNewestAttemptInCache(
  db: Queries,
  cacheId: string,
  drvPath: string,
): Promise<number | undefined> {
  const row = await db
    .selectFrom("attempts")
    .innerJoin("builds", "builds.id", "attempts.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .innerJoin("cache_subscriptions as filled", (join) =>
      join
        .onRef("filled.organization_id", "=", "derivations.organization_id")
        .on("filled.cache_id", "=", cacheId)
        .on("filled.mode", "!=", "ReadOnly"),
    )
    .select("attempts.number")
    .where("derivations.drv_path", "=", drvPath)
    .where((where) =>
      where.exists(
        where
          .selectFrom("cache_paths as held")
          .select("held.path")
          .where("held.cache_id", "=", cacheId)
          .where("held.is_hidden", "=", 0)
          .where((held) =>
            held.or([
              held("held.hash_part", "=", drvPath.slice(0, 32)),
              held(
                "held.hash_part",
                "in",
                held
                  .selectFrom("derivation_outputs as output")
                  .select(sql<string>`substr(output.path, 1, 32)`.as("hash_part"))
                  .whereRef("output.derivation_id", "=", "derivations.id")
                  .where("output.path", "is not", null),
              ),
            ]),
          ),
      ),
    )
    .orderBy("attempts.number", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.number;
}
