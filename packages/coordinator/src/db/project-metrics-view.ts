import { sql } from "kysely";
import type { Queries } from "./client.ts";

/** Figures of a project's completed evaluations, for charts. */

export interface EvaluationPoint {
  readonly id: string;
  readonly createdAt: number;
  readonly evalStartedAt: number | null;
  /** When its builds could begin, or it ended without any. */
  readonly evaluatedAt: number | null;
  /** Of all builds that were made, one after the other. */
  readonly buildTimeMs: number;
  /** Bytes of the NARs of what its attributes ask for, as far as caches of the organization show them; null when they show none. */
  readonly outputBytes: number | null;
  /** Of NARs of all that was needed for that, and of all that it refers to; null until they were counted, some seconds after the end. */
  readonly closureBytes: number | null;
  readonly runtimeClosureBytes: number | null;
  /** Builds that no attribute asks for. */
  readonly dependencies: number;
}

/** What the organization can read: caches that it subscribes to. */
function readable(organizationId: string) {
  return sql`
    select caches.id from cache_subscriptions subscribed join caches on caches.id = subscribed.cache_id
    where subscribed.organization_id = ${organizationId} and subscribed.mode <> 'WriteOnly' and caches.active = 1`;
}

/** Bytes of the outputs of the derivations that `wanted` selects; a path that several caches show counts once. From outputs to caches: those have many more paths. */
function outputBytes(organizationId: string, wanted: ReturnType<typeof sql>) {
  return sql`(
    select sum(shown.nar_size) from (
      select max(cache_paths.nar_size) as nar_size
      from (${wanted}) wanted
        cross join derivation_outputs output on output.derivation_id = wanted.derivation_id
        cross join cache_paths on cache_paths.cache_id in (${readable(organizationId)})
          and cache_paths.hash_part = substr(output.path, 1, 32) and cache_paths.path = output.path
      where output.path is not null
      group by output.path) shown)`;
}

/** Newest first. */
export async function listEvaluationPoints(
  db: Queries,
  project: { id: string; organization_id: string },
  limit: number,
): Promise<EvaluationPoint[]> {
  const { rows } = await sql<EvaluationPoint>`
    select page.id, page.created_at as "createdAt", page.eval_started_at as "evalStartedAt",
      coalesce(page.building_started_at, page.finished_at) as "evaluatedAt",
      (select coalesce(sum(builds.stopped_at - builds.started_at), 0)
        from evaluation_builds link join builds on builds.id = link.build_id
        where link.evaluation_id = page.id and builds.state = 'Completed') as "buildTimeMs",
      ${outputBytes(
        project.organization_id,
        sql`select jobs.derivation_id from jobs where jobs.evaluation_id = page.id`,
      )} as "outputBytes",
      closures.build_bytes as "closureBytes", closures.runtime_bytes as "runtimeClosureBytes",
      (select count(*) from evaluation_builds link where link.evaluation_id = page.id)
        - (select count(distinct jobs.derivation_id) from jobs where jobs.evaluation_id = page.id) as dependencies
    from (
      select * from evaluations where project_id = ${project.id} and state = 'Completed'
      order by created_at desc limit ${limit}) page
      left join evaluation_closures closures on closures.evaluation_id = page.id
    order by page.created_at desc, page.id desc
  `.execute(db);
  return rows;
}

export interface EntryPointPoint {
  readonly evaluationId: string;
  /** Of the evaluation's build. */
  readonly buildId: string;
  readonly createdAt: number;
  readonly state: string;
  readonly startedAt: number | null;
  readonly stoppedAt: number | null;
  readonly outputBytes: number | null;
  readonly closureBytes: number | null;
  readonly runtimeClosureBytes: number | null;
  /** Derivations that it needs, directly or not. */
  readonly dependencies: number;
}

/** One attribute in the project's completed evaluations, newest first; those that do not have it are left out. */
export async function listEntryPointPoints(
  db: Queries,
  project: { id: string; organization_id: string },
  attributeJson: string,
  limit: number,
): Promise<EntryPointPoint[]> {
  const { rows } = await sql<EntryPointPoint>`
    select page.id as "evaluationId", link.id as "buildId", page.created_at as "createdAt", builds.state,
      builds.started_at as "startedAt", builds.stopped_at as "stoppedAt",
      ${outputBytes(project.organization_id, sql`select jobs.derivation_id`)} as "outputBytes",
      closures.build_bytes as "closureBytes", closures.runtime_bytes as "runtimeClosureBytes",
      (with recursive needed(id) as (
        select input_id from derivation_inputs where derivation_id = jobs.derivation_id
        union select derivation_inputs.input_id from needed
          cross join derivation_inputs on derivation_inputs.derivation_id = needed.id)
        select count(*) from needed) as dependencies
    from (
      select * from evaluations where project_id = ${project.id} and state = 'Completed'
      order by created_at desc limit ${limit}) page
      cross join jobs on jobs.evaluation_id = page.id and jobs.attribute_json = ${attributeJson}
      cross join builds on builds.derivation_id = jobs.derivation_id
      cross join evaluation_builds link on link.build_id = builds.id and link.evaluation_id = page.id
      left join derivation_closures closures on closures.derivation_id = jobs.derivation_id
    order by page.created_at desc, page.id desc
  `.execute(db);
  return rows;
}
