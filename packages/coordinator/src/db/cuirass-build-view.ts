import { z } from "zod";
import type { Database, SqlValue } from "./client.ts";
import { BUILDS_AS_JSON, systemsOf } from "./cuirass-build-json.ts";
import { readJsonColumn } from "./json-column.ts";
import {
  finishedConditions,
  finishedOf,
  finishedOfMany,
  jobIs,
  placesOf,
  projectIs,
  queuedOf,
  searchConditions,
  waitingConditions,
  weatherChanged,
  type FinishedFilter,
  type ProjectBuildFilter,
  type SearchFilter,
} from "./cuirass-build-places.ts";
import { PlaceReader, type Condition, type Places } from "./place-reader.ts";

/** Reads of projects' builds for Cuirass's API and pages. Whose projects they are is the caller's question. */

/** A build of a project in the database's form. Times are milliseconds since the epoch. */
export interface ProjectBuildRow {
  number: number;
  /** Number of the evaluation that registered it. */
  evaluation: number;
  projectId: string;
  organizationId: string;
  organization: string;
  project: string;
  alias: string | null;
  job: string;
  isJob: 0 | 1;
  system: string;
  nixName: string;
  status: number;
  weather: number;
  priority: number;
  derivationId: number;
  /** Base name. */
  drvPath: string;
  /** null for a build that is only registered yet. */
  buildId: number | null;
  /** The build's own. */
  state: string | null;
  message: string | null;
  createdAt: number;
  updatedAt: number;
  assignedAt: number | null;
  startedAt: number | null;
  stoppedAt: number | null;
  storedAt: number | null;
  /** Output name to base name. */
  outputsJson: string;
  /** `[[number, output, position]]` */
  productsJson: string;
}

const ROWS = `
  select b.number, b.evaluation, b.project_id as "projectId", o.id as "organizationId", o.name as organization,
    p.name as project, p.alias, b.job_name as job, b.is_job as "isJob", b.system, b.nix_name as "nixName", b.status,
    b.weather, b.priority, d.id as "derivationId", d.drv_path as "drvPath", x.id as "buildId", x.state, x.message,
    coalesce(x.created_at, d.created_at) as "createdAt", coalesce(x.updated_at, d.created_at) as "updatedAt",
    x.assigned_at as "assignedAt", x.started_at as "startedAt", x.stopped_at as "stoppedAt", x.stored_at as "storedAt",
    (select json_group_object(u.name, u.path) from derivation_outputs u
      where u.derivation_id = d.id and u.path is not null) as "outputsJson",
    (select json_group_array(json_array(n.number, n.output, n.position)) from build_products n
      where n.build = b.number) as "productsJson"
  from json_each(?) wanted
    cross join project_builds b on b.number = wanted.value
    join projects p on p.id = b.project_id
    join organizations o on o.id = p.organization_id
    join derivations d on d.id = b.derivation_id
    left join builds x on x.derivation_id = d.id`;

const systemsSchema = z.array(z.string());
const numbersSchema = z.array(z.int());

/** In the order of scheduling: what runs, what waits, what a worker has and does not run yet. */
const UNFINISHED = [-1, -2, -3] as const;

/** Of so many projects each has its own newest builds; of more, those of all are looked through first. */
const MANY_PROJECTS = 8;
/** Builds of all projects that are looked through for a list. */
const WALK = 20_000;

/** Synchronous reads, each of a few milliseconds: lists of many projects look through the newest builds of all first. */
export class CuirassBuildView {
  readonly #reader: PlaceReader;

  constructor(database: Database) {
    this.#reader = new PlaceReader(database);
  }

  /** In the order of the numbers; those that do not exist are left out. */
  builds(numbers: readonly number[]): ProjectBuildRow[] {
    const rows = this.#reader.all<ProjectBuildRow>(ROWS, [JSON.stringify(numbers)]);
    const byNumber = new Map(rows.map((row) => [row.number, row]));
    return numbers.flatMap((number) => byNumber.get(number) ?? []);
  }

  /** The same as a JSON array in Cuirass's words, without products, and the numbers of those that have some. */
  buildsText(numbers: readonly number[]): { text: string; withProducts: number[] } {
    const [found] = this.#reader.all<{ builds: string; withProducts: string }>(BUILDS_AS_JSON, [
      JSON.stringify(numbers),
    ]);
    const { builds = "[]", withProducts = "[]" } = found ?? {};
    return { text: builds, withProducts: readJsonColumn(numbersSchema, withProducts) };
  }

  buildByNumber(number: number): ProjectBuildRow | null {
    return this.builds([number])[0] ?? null;
  }

  /** Numbers of all projects' builds of a derivation (base name), the oldest first. */
  numbersOfDerivation(drvPath: string): number[] {
    return this.#numbers(
      `select b.number from derivations d join project_builds b on b.derivation_id = d.id
       where d.drv_path = ? order by b.number`,
      [drvPath],
    );
  }

  /** The same for the derivations that have an output (base name), with its name. */
  numbersOfOutput(path: string): { number: number; output: string; drvPath: string }[] {
    return this.#reader.all(
      `select b.number, u.name as output, d.drv_path as "drvPath"
       from derivation_outputs u join derivations d on d.id = u.derivation_id
         join project_builds b on b.derivation_id = u.derivation_id
       where u.path = ? order by b.number`,
      [path],
    );
  }

  /** Derivations (base names) with an output (base name), with their organizations, whether a project has them or not. */
  derivationsOfOutput(path: string): { organizationId: string; output: string; drvPath: string }[] {
    return this.#reader.all(
      `select d.organization_id as "organizationId", u.name as output, d.drv_path as "drvPath"
       from derivation_outputs u join derivations d on d.id = u.derivation_id
       where u.path = ? order by d.id`,
      [path],
    );
  }

  /** The build that a product number belongs to. */
  buildOfProduct(product: number): { build: number; output: string; position: number } | null {
    const [row] = this.#reader.all<{ build: number; output: string; position: number }>(
      `select build, output, position from build_products where number = ?`,
      [product],
    );
    return row ?? null;
  }

  /** Numbers of finished builds, those of the newest evaluation first. */
  latestBuilds(filter: FinishedFilter): number[] {
    if (filter.projects.length > MANY_PROJECTS) {
      const together = finishedOfMany(filter);
      if (together !== null) return this.#newest(together, filter);
      const walked = this.#walk(filter, finishedConditions(filter));
      if (walked !== null) return walked;
    }
    const systems = this.#systemsFor(filter);
    const sources = filter.projects.flatMap((project) =>
      finishedOf(project, filter, systems.get(project) ?? []),
    );
    return this.#newest(sources, filter);
  }

  /**
   * The first builds of the list, looked for among the newest of all projects; null when these are not enough to know them. What is asked for mostly stands there, and then
   * it costs the same however many projects there are.
   */
  #walk(
    { projects, limit, evaluation }: ProjectBuildFilter,
    conditions: readonly Condition[],
  ): number[] | null {
    const before = evaluation === undefined ? Number.MAX_SAFE_INTEGER : evaluation + 1;
    const sql = `
      select w.number, w.project_id as project, w.evaluation from (
        select number, project_id, evaluation, system, status, nix_name from project_builds
        where evaluation < ? order by evaluation desc, number desc limit ?) w
      where ${["true", ...conditions.map((condition) => condition.sql)].join(" and ")}
        and w.project_id in (select value from json_each(?))
      limit ?`;
    const values = conditions.flatMap((condition) => condition.values);
    const rows = this.#reader.all<{ number: number }>(sql, [
      before,
      WALK,
      ...values,
      JSON.stringify(projects),
      limit,
    ]);
    const isEnough = rows.length === limit;
    return isEnough ? rows.map(({ number }) => number) : null;
  }

  #systemsFor({ projects, job, system, status }: FinishedFilter): Map<string, string[]> {
    if (job !== undefined || (system === undefined && status === undefined)) return new Map();
    if (system !== undefined) return new Map(projects.map((project) => [project, [system]]));
    return this.systemsOfAll(projects);
  }

  /** Numbers of unfinished builds in the order of scheduling. */
  queue(filter: ProjectBuildFilter): number[] {
    const walked = filter.projects.length > MANY_PROJECTS ? this.#walkQueue(filter) : null;
    if (walked !== null) return walked;
    const numbers: number[] = [];
    for (const status of UNFINISHED) {
      if (numbers.length >= filter.limit) break;
      const sources = filter.projects.map((project) => queuedOf(project, status, filter));
      // Lists are read from their largest place on, so both are turned round.
      const places = this.#reader.newest(sources, 1, filter.limit - numbers.length);
      numbers.push(...places.map(({ number }) => -number));
    }
    return numbers;
  }

  /** The whole queue is looked through from its beginning, and is mostly short; null when it is not. */
  #walkQueue(filter: ProjectBuildFilter): number[] | null {
    const conditions = waitingConditions(filter);
    const values = conditions.flatMap((condition) => condition.values);
    const rows = this.#reader.all<{ number: number }>(
      `select w.number from (
         select number, project_id, system, job_name, evaluation from project_builds
         where status < 0 order by status desc, priority, number limit ?) w
       where ${["true", ...conditions.map((condition) => condition.sql)].join(" and ")}
         and w.project_id in (select value from json_each(?))
       limit ?`,
      [WALK, ...values, JSON.stringify(filter.projects), filter.limit],
    );
    if (rows.length < filter.limit && !this.#isShortQueue()) return null;
    return rows.map(({ number }) => number);
  }

  #isShortQueue(): boolean {
    const [row] = this.#reader.all<{ count: number }>(
      "select count(*) as count from (select 1 from project_builds where status < 0 limit ?)",
      [WALK],
    );
    return (row?.count ?? 0) < WALK;
  }

  /** Builds whose weather has changed (new success or new failure), those of the newest evaluation first. */
  changedBuilds(filter: Pick<ProjectBuildFilter, "projects" | "limit">): ProjectBuildRow[] {
    const sources = filter.projects.map((project) =>
      placesOf([projectIs(project), weatherChanged]),
    );
    return this.builds(this.#newest(sources, filter));
  }

  /** Builds of one job, those of the newest evaluation first, finished or not. */
  jobBuilds(filter: { project: string; job: string; limit: number }): ProjectBuildRow[] {
    const source = placesOf([projectIs(filter.project), jobIs(filter.job)]);
    return this.builds(this.#newest([source], filter));
  }

  /** Builds whose derivation's name begins with a text, those of the newest evaluation first. */
  searchBuilds(filter: SearchFilter): ProjectBuildRow[] {
    const { name, system, statuses, projects, limit } = filter;
    const walked = this.#walk(filter, searchConditions("w", filter));
    if (walked !== null) return this.builds(walked);
    const [status, ...more] = statuses ?? [];
    if (name === "" && status !== undefined && more.length === 0) {
      const of = system === undefined ? {} : { system };
      return this.builds(this.latestBuilds({ projects, limit, status, ...of }));
    }
    const conditions = searchConditions("b", filter);
    const sources = projects.map((project) => placesOf([projectIs(project), ...conditions]));
    return this.builds(this.#newest(sources, filter));
  }

  #newest(
    sources: readonly Places[],
    { limit, evaluation }: { limit: number; evaluation?: number },
  ): number[] {
    const before = evaluation === undefined ? Number.MAX_SAFE_INTEGER : evaluation + 1;
    return this.#reader.newest(sources, before, limit).map(({ number }) => number);
  }

  /** Systems that projects have builds for, in their order. */
  systemsOfAll(projects: readonly string[]): Map<string, string[]> {
    const rows = this.#reader.all<{ project: string; systems: string }>(
      `select p.value as project, ${systemsOf("p.value")} as systems from json_each(?) p`,
      [JSON.stringify(projects)],
    );
    return new Map(
      rows.map(({ project, systems }) => [project, systemsSchema.parse(JSON.parse(systems))]),
    );
  }

  /** Systems that the project's builds are for, as systemsOfAll. */
  systemsOf(project: string): string[] {
    return this.systemsOfAll([project]).get(project) ?? [];
  }

  #numbers(sql: string, values: readonly SqlValue[]): number[] {
    return this.#reader.all<{ number: number }>(sql, values).map(({ number }) => number);
  }
}
