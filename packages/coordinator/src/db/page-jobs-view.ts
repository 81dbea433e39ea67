import type { Database, SqlValue } from "./client.ts";
import { PlaceReader } from "./place-reader.ts";

/** Reads of evaluations' jobs for pages, with what the builds behind them took. Whose they are is the caller's question. */

/** Times are milliseconds since the epoch. */
export interface PageJob {
  readonly number: number;
  readonly job: string;
  readonly name: string;
  readonly system: string;
  readonly status: number;
  readonly weather: number;
  readonly startedAt: number | null;
  readonly stoppedAt: number | null;
}

/** Absent is all; conditions are joined by "and". */
export interface PageJobsFilter {
  readonly evaluation: number;
  readonly statuses?: readonly number[];
  /** Only jobs behind this name, or before it: then the last ones of those. */
  readonly after?: string;
  readonly before?: string;
  readonly limit: number;
}

/** A place among jobs in the order of Cuirass's pages: the second in which the build stopped, 0 before that, and its number. */
export interface StopPlace {
  readonly second: number;
  readonly number: number;
}

/** Jobs behind one place, before another, or both; absent is all. */
export interface StoppedJobsFilter {
  readonly evaluation: number;
  readonly statuses?: readonly number[];
  /** Those that the evaluation was the first to have with this build, and that fail since it. */
  readonly areNewlyFailed: boolean;
  readonly olderThan?: StopPlace | undefined;
  /** Of what is newer, the jobs next to the place. */
  readonly newerThan?: StopPlace | undefined;
  readonly limit: number;
}

/** Of a build that failed only its assignment is told, of one that was found ready only when that was. */
const STOPPED =
  "case when b.status >= 0 then coalesce(x.stopped_at, x.stored_at, x.updated_at) end";
const TIMES = `coalesce(x.started_at, x.assigned_at) as "startedAt", ${STOPPED} as "stoppedAt"`;
const COLUMNS = `b.number, j.name as job, b.nix_name as name, b.system, b.status, b.weather, ${TIMES}`;
const BUILDS = `cross join project_builds b on b.number = j.build_number left join builds x on x.derivation_id = b.derivation_id`;

/** A job as dashboards have it: its name, the number and the status of its build, and how long that took; null while it runs, and when it never began. */
export type JobSquare = readonly [
  job: string,
  build: number,
  status: number,
  durationMs: number | null,
];

/** How builds of an evaluation changed against the ones of the same jobs before. */
export interface Changes {
  readonly broken: number;
  readonly fixed: number;
}

/** Jobs of an evaluation (number) with their builds. Times are milliseconds since the epoch. */
export class PageJobsView {
  readonly #reader: PlaceReader;

  constructor(database: Database) {
    this.#reader = new PlaceReader(database);
  }

  /** In the order of names. They come as one value: a dashboard has tens of thousands. */
  squares(filter: {
    evaluation: number;
    system?: string;
    names?: readonly string[];
    limit: number;
  }): JobSquare[] {
    const { evaluation, system, names, limit } = filter;
    const from =
      names === undefined
        ? "jobs j"
        : "(select distinct value as name from json_each(?)) wanted cross join jobs j on j.name = wanted.name";
    const sql = `
      select json_group_array(json_array(job, number, status, "stoppedAt" - "startedAt")) as squares from (
        select j.name as job, b.number, b.status, ${TIMES} from ${from} ${BUILDS}
        where j.evaluation_number = ? ${system === undefined ? "" : "and b.system = ?"} order by j.name limit ?)`;
    const [found] = this.#reader.all<{ squares: string }>(sql, [
      ...(names === undefined ? [] : [JSON.stringify(names)]),
      evaluation,
      ...(system === undefined ? [] : [system]),
      limit,
    ]);
    // The statement writes it so.
    return JSON.parse(found?.squares ?? "[]") as JobSquare[];
  }

  /** In the order of names. */
  jobs(filter: PageJobsFilter): PageJob[] {
    const { evaluation, statuses, after, before, limit } = filter;
    const values: SqlValue[] = [evaluation];
    const when = (condition: string, value: SqlValue | undefined): string => {
      if (value === undefined) return "";
      values.push(value);
      return condition;
    };
    const conditions = [
      when("and j.name > ?", after),
      when("and j.name < ?", before),
      when(
        "and b.status in (select value from json_each(?))",
        statuses === undefined ? undefined : JSON.stringify(statuses),
      ),
    ];
    const order = before === undefined ? "asc" : "desc";
    const sql = `
      select ${COLUMNS} from jobs j ${BUILDS}
      where j.evaluation_number = ? ${conditions.join(" ")} order by j.name ${order} limit ?`;
    const rows = this.#reader.all<PageJob>(sql, [...values, limit]);
    return before === undefined ? rows : rows.reverse();
  }

  /** What stopped last comes first, what has not stopped last. */
  stoppedJobs(filter: StoppedJobsFilter): PageJob[] {
    const { evaluation, statuses, areNewlyFailed, olderThan, newerThan, limit } = filter;
    const second = `coalesce(${STOPPED}, 0) / 1000`;
    const place = `(${second}, b.number)`;
    const order = newerThan === undefined ? "desc" : "asc";
    const sql = `
      select ${COLUMNS} from jobs j ${BUILDS}
      where j.evaluation_number = ?
        ${statuses === undefined ? "" : "and b.status in (select value from json_each(?))"}
        ${areNewlyFailed ? "and b.weather = 1 and b.evaluation = j.evaluation_number" : ""}
        ${olderThan === undefined ? "" : `and ${place} < (?, ?)`}
        ${newerThan === undefined ? "" : `and ${place} > (?, ?)`}
      order by ${second} ${order}, b.number ${order} limit ?`;
    const rows = this.#reader.all<PageJob>(sql, [
      evaluation,
      ...(statuses === undefined ? [] : [JSON.stringify(statuses)]),
      ...[olderThan, newerThan].flatMap((at) => (at === undefined ? [] : [at.second, at.number])),
      limit,
    ]);
    return newerThan === undefined ? rows : rows.reverse();
  }

  /** Jobs that the evaluation was the first to have with this build, and that fail since it. */
  newlyFailed(of: { projectId: string; evaluation: number; limit: number }): PageJob[] {
    return this.#reader.all<PageJob>(
      `select b.number, b.job_name as job, b.nix_name as name, b.system, b.status, b.weather, ${TIMES}
       from project_builds b left join builds x on x.derivation_id = b.derivation_id
       where b.project_id = ? and b.evaluation = ? and b.weather in (0, 1) and b.weather = 1 and b.is_job = 1
       order by b.number limit ?`,
      [of.projectId, of.evaluation, of.limit],
    );
  }

  changes(of: { projectId: string; evaluation: number }): Changes {
    const [row] = this.#reader.all<{ broken: number | null; fixed: number | null }>(
      `select sum(b.weather = 1) as broken, sum(b.weather = 0) as fixed from project_builds b
       where b.project_id = ? and b.evaluation = ? and b.weather in (0, 1) and b.is_job = 1`,
      [of.projectId, of.evaluation],
    );
    return { broken: row?.broken ?? 0, fixed: row?.fixed ?? 0 };
  }

  /** Numbers of the project's evaluations that follow a number, the newest first. */
  evaluationsAfter(projectId: string, number: number, limit: number): number[] {
    return this.#reader
      .all<{ number: number }>(
        "select e.number from evaluations e where e.project_id = ? and e.number > ? order by e.number limit ?",
        [projectId, number, limit],
      )
      .map((row) => row.number)
      .reverse();
  }

  /** Messages of the commits of evaluations (UUIDs), by evaluation. */
  commitMessages(evaluations: readonly string[]): ReadonlyMap<string, string> {
    const rows = this.#reader.all<{ id: string; message: string }>(
      `select e.id, c.message from json_each(?) wanted cross join evaluations e on e.id = wanted.value
         cross join commits c on c.id = e.commit_id`,
      [JSON.stringify(evaluations)],
    );
    return new Map(rows.map(({ id, message }) => [id, message]));
  }

  /** Builds of the projects that have not ended. */
  countPending(projects: readonly string[]): { running: number; waiting: number } {
    const rows = this.#reader.all<{ status: number; count: number }>(
      `select b.status, count(*) as count from json_each(?) p cross join project_builds b
       where b.project_id = p.value and b.status < 0 group by b.status`,
      [JSON.stringify(projects)],
    );
    const all = rows.reduce((sum, { count }) => sum + count, 0);
    const running = rows.find(({ status }) => status === -1)?.count ?? 0;
    return { running, waiting: all - running };
  }

  /** How long the newest successful build of a job took, in milliseconds; null when none did. */
  lastDuration(of: { projectId: string; job: string }): number | null {
    const [row] = this.#reader.all<{ duration: number }>(
      `select x.stopped_at - x.started_at as duration
       from project_builds b cross join builds x on x.derivation_id = b.derivation_id
       where b.project_id = ? and b.job_name = ? and b.status = 0 and x.started_at is not null and x.stopped_at is not null
       order by b.evaluation desc, b.number desc limit 1`,
      [of.projectId, of.job],
    );
    return row?.duration ?? null;
  }
}
