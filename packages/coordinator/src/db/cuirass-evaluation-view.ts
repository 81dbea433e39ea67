import type { EvaluationObject } from "../cuirass/evaluation-object.ts";
import { cuirassEvaluationStatus, type CuirassEvaluationStatus } from "../scheduler/api-words.ts";
import { isEvaluationState } from "../scheduler/evaluation-state.ts";
import type { Database } from "./client.ts";
import { EVALUATIONS_AS_JSON } from "./cuirass-evaluation-json.ts";
import { PlaceReader, type Places } from "./place-reader.ts";

/** Reads of projects' evaluations and their jobs for Cuirass's API and pages. Whose projects they are is the caller's question. */

/** Times are milliseconds since the epoch; null while it is not so far. */
export interface CuirassEvaluation {
  readonly number: number;
  /** UUID, as the other API has it. */
  readonly id: string;
  readonly projectId: string;
  readonly organizationId: string;
  readonly organization: string;
  readonly project: string;
  readonly alias: string | null;
  readonly state: string;
  readonly status: CuirassEvaluationStatus;
  /** null until it is known. */
  readonly commit: string | null;
  /** Base name of the fetched tree. */
  readonly source: string | null;
  readonly createdAt: number;
  readonly fetchedAt: number | null;
  readonly evaluatedAt: number | null;
  readonly finishedAt: number | null;
  /** Whether the project's evaluation before it had another commit, or there was none. */
  readonly isNewCommit: boolean;
}

interface EvaluationRow extends Omit<CuirassEvaluation, "status" | "evaluatedAt" | "isNewCommit"> {
  buildingAt: number | null;
  updatedAt: number;
  hasJobs: 0 | 1;
  commitBefore: string | null;
}

const ROWS = `
  select e.number, e.id, e.project_id as "projectId", o.id as "organizationId", o.name as organization, p.name as project,
    p.alias, e.state, coalesce(c.hash, e.revision) as "commit", e.source_path as source, e.created_at as "createdAt",
    c.created_at as "fetchedAt", e.building_started_at as "buildingAt", e.finished_at as "finishedAt",
    e.updated_at as "updatedAt",
    exists (select 1 from jobs j where j.evaluation_number = e.number) as "hasJobs",
    (select coalesce(c2.hash, e2.revision) from evaluations e2 left join commits c2 on c2.id = e2.commit_id
      where e2.project_id = e.project_id and e2.number < e.number order by e2.number desc limit 1) as "commitBefore"
  from json_each(?) wanted
    cross join evaluations e on e.number = wanted.value
    join projects p on p.id = e.project_id
    join organizations o on o.id = p.organization_id
    left join commits c on c.id = e.commit_id`;

/** A job of an evaluation with its build of the project. */
export interface CuirassJob {
  readonly build: number;
  readonly status: number;
  readonly name: string;
}

/** What a job was and is: numbers of the project's builds with their statuses; null where the evaluation does not have it. */
export interface JobDifference {
  readonly name: string;
  readonly before: { readonly build: number; readonly status: number } | null;
  readonly now: { readonly build: number; readonly status: number } | null;
}

export type DifferenceKind = "new" | "gone" | "broken" | "fixed" | "changed";

/** Of more projects, the newest evaluations of all projects are looked through first, so many. */
const MANY_PROJECTS = 8;
const WALK = 2000;

interface LatestFilter {
  readonly projects: readonly string[];
  readonly limit: number;
  readonly before?: number;
}

/** The builds of a job; null where the evaluation does not have it. */
interface ChangedJob {
  readonly name: string;
  readonly before: number | null;
  readonly now: number | null;
}

/** So many comparisons are kept, of so many changed jobs each at most. */
const MAX_COMPARED = 20;
const MAX_CHANGED = 20_000;

/** Newest evaluations that are searched for one that succeeded. */
const SEARCHED = 1000;

/** Synchronous reads, each of a few milliseconds; comparisons of evaluations that are over are remembered. */
export class CuirassEvaluationView {
  readonly #reader: PlaceReader;
  /** By both numbers. */
  readonly #changed = new Map<string, readonly ChangedJob[]>();

  constructor(database: Database) {
    this.#reader = new PlaceReader(database);
  }

  /** In the order of the numbers; those that do not exist are left out. */
  evaluations(numbers: readonly number[]): CuirassEvaluation[] {
    const rows = this.#reader.all<EvaluationRow>(ROWS, [JSON.stringify(numbers)]);
    const byNumber = new Map(rows.map((row) => [row.number, evaluationOf(row)]));
    return numbers.flatMap((number) => byNumber.get(number) ?? []);
  }

  /** The same as a JSON array in Cuirass's words. */
  evaluationsText(numbers: readonly number[]): string {
    const [found] = this.#reader.all<{ evaluations: string }>(EVALUATIONS_AS_JSON, [
      JSON.stringify(numbers),
    ]);
    return found?.evaluations ?? "[]";
  }

  /** As evaluationsText, read again: for few. */
  evaluationObjects(numbers: readonly number[]): EvaluationObject[] {
    // It is written by the names of the object's own members.
    return JSON.parse(this.evaluationsText(numbers)) as EvaluationObject[];
  }

  evaluationByNumber(number: number): CuirassEvaluation | null {
    return this.evaluations([number])[0] ?? null;
  }

  /** By the UUID that the other API has; null also for one outside of projects. */
  evaluationById(id: string): CuirassEvaluation | null {
    const [row] = this.#reader.all<{ number: number }>(
      "select number from evaluations where id = ?",
      [id],
    );
    return row === undefined ? null : this.evaluationByNumber(row.number);
  }

  /** Newest first, of all statuses; `before`: only those with a smaller number. */
  latestEvaluations(filter: LatestFilter): CuirassEvaluation[] {
    return this.evaluations(this.latestNumbers(filter));
  }

  /** The same without more than their numbers. */
  latestNumbers(filter: LatestFilter): number[] {
    const sources = filter.projects.map((project): Places => ({
      sql: `select e.number as "createdAt", e.number as number from evaluations e
        where e.project_id = ? and (e.number, e.number) < (?, ?) order by e.number desc limit ?`,
      values: [project],
    }));
    const before = filter.before ?? Number.MAX_SAFE_INTEGER;
    const walked = this.#walk(filter.projects, before, filter.limit);
    if (walked !== null) return walked;
    return this.#reader.newest(sources, before, filter.limit).map(({ number }) => number);
  }

  /** The newest of many projects, looked for among the newest of all; null when these are not enough. */
  #walk(projects: readonly string[], before: number, limit: number): number[] | null {
    if (projects.length <= MANY_PROJECTS) return null;
    const rows = this.#reader.all<{ number: number }>(
      `select w.number from (
         select number, project_id from evaluations where number < ? order by number desc limit ?) w
       where w.project_id in (select value from json_each(?)) limit ?`,
      [before, WALK, JSON.stringify(projects), limit],
    );
    return rows.length === limit ? rows.map(({ number }) => number) : null;
  }

  /** The newest evaluation of a project whose jobs are known; `before`: with a smaller number. */
  latestSucceeded(project: string, before?: number): CuirassEvaluation | null {
    let last = before;
    for (let searched = 0; searched < SEARCHED;) {
      const limit = searched === 0 ? 3 : 50;
      const found = this.latestEvaluations({
        projects: [project],
        limit,
        ...(last === undefined ? {} : { before: last }),
      });
      const succeeded = found.find(({ status }) => status === 0);
      if (succeeded !== undefined) return succeeded;
      if (found.length < limit) return null;
      searched += found.length;
      last = found.at(-1)?.number;
    }
    return null;
  }

  /** The evaluation that a page of this one is compared with; null for the first. */
  previousSucceeded({
    projectId,
    number,
  }: Pick<CuirassEvaluation, "projectId" | "number">): CuirassEvaluation | null {
    return this.latestSucceeded(projectId, number);
  }

  /** The next one whose jobs are known; null for the newest. */
  nextSucceeded({
    projectId,
    number,
  }: Pick<CuirassEvaluation, "projectId" | "number">): CuirassEvaluation | null {
    const rows = this.#reader.all<{ number: number }>(
      `select number from evaluations where project_id = ? and number > ? order by number limit 50`,
      [projectId, number],
    );
    const following = this.evaluations(rows.map((row) => row.number));
    return following.find(({ status }) => status === 0) ?? null;
  }

  /** In the order of names. Names that no job has are left out; so is the filter when it is absent. */
  evaluationJobs(filter: {
    evaluation: number;
    names?: readonly string[];
    system?: string;
    limit?: number;
    /** Only those behind this name. */
    after?: string;
  }): CuirassJob[] {
    const { evaluation, names, system, limit = -1, after } = filter;
    const system_ = system === undefined ? "" : "and b.system = ?";
    const values = system === undefined ? [] : [system];
    if (names !== undefined) {
      return this.#reader.all<CuirassJob>(
        `select j.build_number as build, b.status, j.name
         from (select distinct value as name from json_each(?)) wanted
           cross join jobs j on j.evaluation_number = ? and j.name = wanted.name
           cross join project_builds b on b.number = j.build_number
         where true ${system_} order by j.name limit ?`,
        [JSON.stringify(names), evaluation, ...values, limit],
      );
    }
    return this.#reader.all<CuirassJob>(
      `select j.build_number as build, b.status, j.name
       from jobs j cross join project_builds b on b.number = j.build_number
       where j.evaluation_number = ? and j.name > ? ${system_} order by j.name limit ?`,
      [evaluation, after ?? "", ...values, limit],
    );
  }

  /** Jobs of an evaluation by the status of their builds. */
  countJobs(evaluation: number): ReadonlyMap<number, number> {
    const rows = this.#reader.all<{ status: number; count: number }>(
      `select b.status, count(*) as count
       from jobs j cross join project_builds b on b.number = j.build_number
       where j.evaluation_number = ? group by b.status`,
      [evaluation],
    );
    return new Map(rows.map(({ status, count }) => [status, count]));
  }

  /** Of a project's newest evaluations whose jobs are known and that have at least one of the names, newest first. */
  jobsHistory(filter: {
    project: string;
    names: readonly string[];
    limit: number;
  }): { evaluation: CuirassEvaluation; jobs: CuirassJob[] }[] {
    const { project, names, limit } = filter;
    const history: { evaluation: CuirassEvaluation; jobs: CuirassJob[] }[] = [];
    let before = Number.MAX_SAFE_INTEGER;
    while (history.length < limit) {
      const wanted = limit - history.length;
      const numbers = this.#evaluationsWith(project, names, before, wanted);
      const evaluations = this.evaluations(numbers).filter(({ status }) => status === 0);
      const jobs = this.#jobsOf(
        evaluations.map(({ number }) => number),
        names,
      );
      for (const evaluation of evaluations) {
        history.push({ evaluation, jobs: jobs.get(evaluation.number) ?? [] });
      }
      if (numbers.length < wanted) break;
      before = numbers.at(-1) ?? 0;
    }
    return history;
  }

  #evaluationsWith(
    project: string,
    names: readonly string[],
    before: number,
    limit: number,
  ): number[] {
    const rows = this.#reader.all<{ number: number }>(
      `select e.number from evaluations e
       where e.project_id = ? and e.number < ?
         and exists (select 1 from json_each(?) wanted
           cross join jobs j on j.evaluation_number = e.number and j.name = wanted.value)
       order by e.number desc limit ?`,
      [project, before, JSON.stringify(names), limit],
    );
    return rows.map(({ number }) => number);
  }

  #jobsOf(evaluations: readonly number[], names: readonly string[]): Map<number, CuirassJob[]> {
    const rows = this.#reader.all<CuirassJob & { evaluation: number }>(
      `select j.evaluation_number as evaluation, j.build_number as build, b.status, j.name
       from json_each(?) e cross join (select distinct value as name from json_each(?)) wanted
         cross join jobs j on j.evaluation_number = e.value and j.name = wanted.name
         cross join project_builds b on b.number = j.build_number
       order by e.key, j.name`,
      [JSON.stringify(evaluations), JSON.stringify(names)],
    );
    const jobs = new Map<number, CuirassJob[]>();
    for (const { evaluation, ...job } of rows) {
      const others = jobs.get(evaluation);
      if (others === undefined) jobs.set(evaluation, [job]);
      else others.push(job);
    }
    return jobs;
  }

  /**
   * Jobs whose build is another one than in an earlier evaluation, in the order of names. A build of the project has one status wherever it is shown, so what is
   * the same in both evaluations is neither broken nor fixed.
   */
  evaluationDifference(number: number, earlier: number): JobDifference[] {
    const changed = this.#changedJobs(number, earlier);
    const statuses = this.#statusesOf(changed.flatMap(({ before, now }) => [before, now]));
    const sideOf = (build: number | null): JobDifference["now"] =>
      build === null ? null : { build, status: statuses.get(build) ?? 0 };
    return changed.map(({ name, before, now }) => ({
      name,
      before: sideOf(before),
      now: sideOf(now),
    }));
  }

  /** Which builds they are stays as it is when both evaluations are over, and is kept then: to look through two lists of a hundred thousand jobs takes long. */
  #changedJobs(number: number, earlier: number): readonly ChangedJob[] {
    const key = `${number} ${earlier}`;
    const kept = this.#changed.get(key);
    if (kept !== undefined) return kept;
    const byName = new Map<string, ChangedJob>();
    for (const { name, build } of this.#onlyIn(earlier, number)) {
      byName.set(name, { name, before: build, now: null });
    }
    for (const { name, build } of this.#onlyIn(number, earlier)) {
      byName.set(name, { name, before: byName.get(name)?.before ?? null, now: build });
    }
    const changed = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const both = this.evaluations([number, earlier]);
    const isFinal = both.length === 2 && both.every(({ finishedAt }) => finishedAt !== null);
    if (isFinal && changed.length <= MAX_CHANGED) this.#keep(key, changed);
    return changed;
  }

  #keep(key: string, changed: readonly ChangedJob[]): void {
    this.#changed.set(key, changed);
    const [oldest] = this.#changed.keys();
    if (this.#changed.size > MAX_COMPARED && oldest !== undefined) this.#changed.delete(oldest);
  }

  #statusesOf(builds: readonly (number | null)[]): Map<number, number> {
    const [found] = this.#reader.all<{ statuses: string }>(
      `select json_group_array(json_array(b.number, b.status)) as statuses
       from json_each(?) wanted cross join project_builds b on b.number = wanted.value`,
      [JSON.stringify(builds.filter((build) => build !== null))],
    );
    // The statement writes it so.
    return new Map(JSON.parse(found?.statuses ?? "[]") as [number, number][]);
  }

  #onlyIn(evaluation: number, other: number): { name: string; build: number }[] {
    // Both sides come in the order of one index, so the database only walks along them.
    return this.#reader.all<{ name: string; build: number }>(
      `select name, build_number as build from jobs where evaluation_number = ?
       except select name, build_number from jobs where evaluation_number = ?
       order by 1, 2`,
      [evaluation, other],
    );
  }
}

/** What a difference means to those who look for what a change did. A job that was not built before is neither broken nor fixed. */
export function kindOfDifference({ before, now }: JobDifference): DifferenceKind {
  if (before === null) return "new";
  if (now === null) return "gone";
  if (before.status === 0 && now.status > 0) return "broken";
  return before.status > 0 && now.status === 0 ? "fixed" : "changed";
}

function evaluationOf(row: EvaluationRow): CuirassEvaluation {
  const { state, finishedAt, commit, buildingAt, updatedAt, hasJobs, commitBefore } = row;
  if (!isEvaluationState(state)) throw new Error(`evaluation ${row.number} is in state '${state}'`);
  const status = cuirassEvaluationStatus(state, {
    isEvaluated: buildingAt !== null,
    hasJobs: hasJobs === 1,
  });
  return {
    ...row,
    status,
    evaluatedAt: status === -1 ? null : (buildingAt ?? finishedAt ?? updatedAt),
    isNewCommit: commit === null || commit !== commitBefore,
  };
}
