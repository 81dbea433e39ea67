import { sql } from "kysely";
import type { Queries } from "./client.ts";
import { hashPartOf } from "./cache-path-repository.ts";
import { reusable } from "./reusable-query.ts";

/**
 * Paths that caches hold for workers and do not show to clients: what was made for projects with `sign_cache` false alone. What is shown refers
 * to nothing that is hidden.
 */

/** `hidden`: what was made for the work is held and not shown. */
export type Visibility = "shown" | "hidden";

/** What an evaluation fetched and evaluated. */
export async function visibilityOfEvaluation(db: Queries, evaluation: string): Promise<Visibility> {
  const row = await db
    .selectFrom("evaluations")
    .innerJoin("projects", "projects.id", "evaluations.project_id")
    .select("projects.sign_cache")
    .where("evaluations.id", "=", evaluation)
    .executeTakeFirst();
  return row?.sign_cache === 0 ? "hidden" : "shown";
}

const selectProjects = reusable((db, build: number) =>
  db
    .selectFrom("evaluation_builds as link")
    .innerJoin("evaluations", "evaluations.id", "link.evaluation_id")
    .leftJoin("projects", "projects.id", "evaluations.project_id")
    .select((select) => select.fn.max<number>("projects.sign_cache").as("signs"))
    .select((select) => select.fn.countAll<number>().as("links"))
    .select((select) => select.fn.count<number>("projects.id").as("ofProjects"))
    .where("link.build_id", "=", build),
);

/** What a build made: shown as soon as one evaluation has it that does not belong to such a project. */
export async function visibilityOfBuild(db: Queries, build: number): Promise<Visibility> {
  const [row] = (await selectProjects(db, build)).rows;
  // Without a project that hides it, or with a link that is of no project, it is shown.
  return row?.signs === 0 && row.links === row.ofProjects ? "hidden" : "shown";
}

/** Those of the base names that a cache of the organization holds and does not show. */
export async function findHidden(
  db: Queries,
  organization: string,
  bases: readonly string[],
): Promise<Set<string>> {
  const { rows } = await sql<{ path: string }>`
    select p.path from cache_subscriptions s
      cross join cache_paths p on p.cache_id = s.cache_id and p.is_hidden = 1
        and p.hash_part in (select value from json_each(${JSON.stringify(bases.map(hashPartOf))}))
    where s.organization_id = ${organization}
  `.execute(db);
  return new Set(rows.map(({ path }) => path));
}

const updateToShown = reusable(
  (_db, cacheId: string, roots: readonly string[]) => sql<unknown>`
    update cache_paths set is_hidden = 0
    where cache_id = ${cacheId} and is_hidden = 1 and hash_part in (
      with recursive found(hash_part) as (
        select value from json_each(${roots})
        union
        select substr(r.value, 1, 32) from found
          cross join cache_paths p
            on p.cache_id = ${cacheId} and p.hash_part = found.hash_part and p.is_hidden = 1
          cross join json_each(p.references_json) r)
      select hash_part from found)`,
);

/** Shows paths, and all that they refer to. */
export async function showPaths(
  db: Queries,
  cacheId: string,
  bases: Iterable<string>,
): Promise<void> {
  await updateToShown(db, cacheId, [...bases].map(hashPartOf));
}

/** Shows derivations and outputs of builds that were made before something asked for them that is signed. */
export async function showBuilds(
  db: Queries,
  organization: string,
  builds: readonly number[],
): Promise<void> {
  const caches = await cachesThatHide(db, organization);
  if (caches.length === 0) return;
  const { rows } = await sql<{ path: string }>`
    select d.drv_path as path from json_each(${JSON.stringify(builds)}) wanted
      cross join builds b on b.id = wanted.value cross join derivations d on d.id = b.derivation_id
    union all
    select o.path from json_each(${JSON.stringify(builds)}) wanted
      cross join builds b on b.id = wanted.value
      cross join derivation_outputs o on o.derivation_id = b.derivation_id
    where o.path is not null
  `.execute(db);
  const paths = rows.map(({ path }) => path);
  for (const cache of caches) await showPaths(db, cache, paths);
}

/** Shows all that a project's evaluations have. */
export async function showProject(
  db: Queries,
  organization: string,
  projectId: string,
): Promise<void> {
  for (const cache of await cachesThatHide(db, organization)) {
    const { rows } = await sql<{ path: string }>`
      select p.path from cache_paths p indexed by cache_paths_hidden
      where p.cache_id = ${cache} and p.is_hidden = 1 and (
        exists (select 1 from evaluations e where e.project_id = ${projectId} and e.source_path = p.path)
        or exists (
          select 1 from (
            select d.id from derivations d where d.organization_id = ${organization} and d.drv_path = p.path
            union all
            select o.derivation_id from derivation_outputs o where o.path = p.path) made
          cross join builds b on b.derivation_id = made.id and b.organization_id = ${organization}
          cross join evaluation_builds l on l.build_id = b.id
          cross join evaluations e on e.id = l.evaluation_id and e.project_id = ${projectId}))
    `.execute(db);
    await showPaths(
      db,
      cache,
      rows.map(({ path }) => path),
    );
  }
}

async function cachesThatHide(db: Queries, organization: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select s.cache_id as id from cache_subscriptions s
    where s.organization_id = ${organization}
      and exists (select 1 from cache_paths p indexed by cache_paths_hidden where p.cache_id = s.cache_id and p.is_hidden = 1)
  `.execute(db);
  return rows.map(({ id }) => id);
}
