import type { Database, PreparedQuery, SqlValue } from "./client.ts";

/** An evaluation that may keep something, with the tree that it is of. */
export interface RootEvaluation {
  readonly id: string;
  readonly sourcePath: string | null;
}

const EVALUATION = `id, source_path as "sourcePath"`;
/** As in the index evaluations_active. */
export const IS_ACTIVE = "state not in ('Completed', 'Failed', 'Aborted')";

/** From where it is found out what a cache keeps. */
export class RootsView {
  readonly #pinnedPaths: PreparedQuery<[string, number], { path: string }>;
  readonly #pinnedEvaluations: PreparedQuery<[string, number], RootEvaluation>;
  readonly #fillers: PreparedQuery<[string], { id: string }>;
  readonly #readers: PreparedQuery<[string], { id: string }>;
  readonly #projects: PreparedQuery<[string], { id: string; kept: number }>;
  readonly #newest: PreparedQuery<[string, number], RootEvaluation>;
  readonly #active: PreparedQuery<[string], RootEvaluation>;
  readonly #withoutProject: PreparedQuery<[string, number], RootEvaluation>;
  readonly #builds: PreparedQuery<[string, number, number], { build: number; derivation: number }>;
  readonly #jobs: PreparedQuery<
    [string, string, number],
    { attribute: string; derivation: number | null }
  >;

  constructor(database: Pick<Database, "prepare">) {
    const prepare = <P extends readonly SqlValue[], R>(sql: string) => database.prepare<P, R>(sql);
    this.#pinnedPaths = prepare(
      `select path from cache_pins
       where cache_id = ? and path is not null and (until is null or until > ?)`,
    );
    this.#pinnedEvaluations = prepare(
      `select e.id, e.source_path as "sourcePath" from cache_pins n cross join evaluations e on e.id = n.evaluation_id
       where n.cache_id = ? and n.path is null and (n.until is null or n.until > ?)`,
    );
    this.#fillers = prepare(
      `select organization_id as id from cache_subscriptions where cache_id = ? and mode <> 'ReadOnly'`,
    );
    this.#readers = prepare(
      "select organization_id as id from cache_subscriptions where cache_id = ?",
    );
    this.#projects = prepare(
      "select id, keep_evaluations as kept from projects where organization_id = ?",
    );
    this.#newest = prepare(
      `select ${EVALUATION} from evaluations where project_id = ? order by id desc limit ?`,
    );
    this.#active = prepare(
      `select ${EVALUATION} from evaluations where organization_id = ? and ${IS_ACTIVE}`,
    );
    this.#withoutProject = prepare(
      `select ${EVALUATION} from evaluations
       where organization_id = ? and created_at >= ? and project_id is null`,
    );
    this.#builds = prepare(
      `select e.build_id as build, b.derivation_id as derivation
       from evaluation_builds e join builds b on b.id = e.build_id
       where e.evaluation_id = ? and e.build_id > ? order by e.build_id limit ?`,
    );
    this.#jobs = prepare(
      `select attribute_json as attribute, derivation_id as derivation from jobs
       where evaluation_id = ? and attribute_json > ? order by attribute_json limit ?`,
    );
  }

  /** Base names of what is pinned in the cache and whose time has not come. */
  pinnedPaths(cacheId: string, now: number): string[] {
    return this.#pinnedPaths.all(cacheId, now).map(({ path }) => path);
  }

  /** Evaluations that are pinned in the cache and whose time has not come. */
  pinnedEvaluations(cacheId: string, now: number): RootEvaluation[] {
    return this.#pinnedEvaluations.all(cacheId, now);
  }

  /** Organizations that publish in the cache. */
  fillers(cacheId: string): string[] {
    return this.#fillers.all(cacheId).map(({ id }) => id);
  }

  /** Organizations that have anything to do with the cache. */
  subscribers(cacheId: string): string[] {
    return this.#readers.all(cacheId).map(({ id }) => id);
  }

  /** Projects of the organization, with the number of evaluations that each keeps. */
  projects(organization: string): { id: string; kept: number }[] {
    return this.#projects.all(organization);
  }

  /** At most `count` of the project, of branches and pull requests alike. */
  newestEvaluations(project: string, count: number): RootEvaluation[] {
    return this.#newest.all(project, count);
  }

  /** Also those that are of no project, as those of direct builds. */
  activeEvaluations(organization: string): RootEvaluation[] {
    return this.#active.all(organization);
  }

  /** Evaluations of no project that were started since then. */
  evaluationsWithoutProject(organization: string, since: number): RootEvaluation[] {
    return this.#withoutProject.all(organization, since);
  }

  /** Builds of an evaluation, in order of their numbers. */
  buildsAfter(
    evaluation: string,
    build: number,
    limit: number,
  ): { build: number; derivation: number }[] {
    return this.#builds.all(evaluation, build, limit);
  }

  /** Jobs of an evaluation, in order of their attributes. */
  jobsAfter(
    evaluation: string,
    attribute: string,
    limit: number,
  ): { attribute: string; derivation: number | null }[] {
    return this.#jobs.all(evaluation, attribute, limit);
  }
}
