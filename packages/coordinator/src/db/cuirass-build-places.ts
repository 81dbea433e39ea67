import type { Condition, Places } from "./place-reader.ts";

/** Where lists of projects' builds are read, each in the order of an index. */

/** Which builds are asked for; absent is all, conditions are joined by "and". */
export interface ProjectBuildFilter {
  /** Ids. */
  readonly projects: readonly string[];
  /** One of these names: there may be several ways to write one. */
  readonly job?: readonly string[];
  readonly system?: string;
  /** Number of the evaluation that registered them. */
  readonly evaluation?: number;
  readonly limit: number;
}

/** `status`: one of the end states. */
export interface FinishedFilter extends ProjectBuildFilter {
  readonly status?: number;
}

export interface SearchFilter {
  readonly projects: readonly string[];
  /** Beginning of the derivation's name. */
  readonly name: string;
  readonly system?: string;
  readonly statuses?: readonly number[];
  readonly limit: number;
}

const END_STATES = [0, 1, 2, 3, 4] as const;

/** One for each order that an index has. */
export function finishedOf(
  project: string,
  filter: FinishedFilter,
  systems: readonly string[],
): Places[] {
  const { job, system, status, evaluation } = filter;
  const from = evaluation === undefined ? [] : [{ sql: "b.evaluation >= ?", values: [evaluation] }];
  const own = projectIs(project);
  if (job !== undefined) {
    const rest = [
      ...from,
      constant("b.status >= 0"),
      ...(system === undefined ? [] : [{ sql: "+b.system = ?", values: [system] }]),
      ...(status === undefined ? [] : [statusIn([status])]),
    ];
    return job.map((name) => placesOf([own, jobIs(name), ...rest]));
  }
  if (system === undefined && status === undefined) {
    return [placesOf([own, constant("b.status >= 0"), ...from])];
  }
  const statuses = status === undefined ? END_STATES : [status];
  return systems.flatMap((eachSystem) =>
    statuses.map((eachStatus) =>
      placesOf([
        own,
        { sql: "b.system = ? and b.status = ?", values: [eachSystem, eachStatus] },
        ...from,
      ]),
    ),
  );
}

/** Of many projects together, where an index has them in their order; null where none has. */
export function finishedOfMany(filter: FinishedFilter): Places[] | null {
  const { projects, job, system, status, evaluation } = filter;
  const rest = [
    {
      sql: "+b.project_id in (select value from json_each(?))",
      values: [JSON.stringify(projects)],
    },
    ...(evaluation === undefined ? [] : [{ sql: "b.evaluation >= ?", values: [evaluation] }]),
    ...(system === undefined ? [] : [{ sql: "+b.system = ?", values: [system] }]),
  ];
  if (job !== undefined) {
    const ended = status === undefined ? constant("+b.status >= 0") : statusIn([status]);
    return job.map((name) => placesOf([jobIs(name), ended, ...rest]));
  }
  if (status === undefined || status <= 0) return null;
  return [placesOf([{ sql: "b.status = ? and b.status > 0", values: [status] }, ...rest])];
}

/** What finished builds are chosen by besides their projects. */
export function finishedConditions({ system, status, evaluation }: FinishedFilter): Condition[] {
  return [
    { sql: "w.status >= 0", values: [] },
    ...(evaluation === undefined ? [] : [{ sql: "w.evaluation = ?", values: [evaluation] }]),
    ...(system === undefined ? [] : [{ sql: "w.system = ?", values: [system] }]),
    ...(status === undefined ? [] : [{ sql: "w.status = ?", values: [status] }]),
  ];
}

/** What unfinished builds are chosen by besides their projects. */
export function waitingConditions({ job, system, evaluation }: ProjectBuildFilter): Condition[] {
  return [
    ...(job === undefined
      ? []
      : [{ sql: "w.job_name in (select value from json_each(?))", values: [JSON.stringify(job)] }]),
    ...(system === undefined ? [] : [{ sql: "w.system = ?", values: [system] }]),
    ...(evaluation === undefined ? [] : [{ sql: "w.evaluation = ?", values: [evaluation] }]),
  ];
}

/** Of `w`, what was looked through already, or of `b`, where the index of names is followed. */
export function searchConditions(
  table: "w" | "b",
  { name, system, statuses }: SearchFilter,
): Condition[] {
  const own = table === "w" ? "" : "+";
  return [
    { sql: `${table}.nix_name >= ? and ${table}.nix_name < ?`, values: [name, name + BEHIND] },
    ...(system === undefined ? [] : [{ sql: `${own}${table}.system = ?`, values: [system] }]),
    ...(statuses === undefined
      ? []
      : [
          {
            sql: `${own}${table}.status in (select value from json_each(?))`,
            values: [JSON.stringify(statuses)],
          },
        ]),
  ];
}

/** For rows `b` of project_builds. */
export function projectIs(project: string): Condition {
  return { sql: "b.project_id = ?", values: [project] };
}

/** For rows `b` of project_builds: a job has one for each derivation that it has had. */
export function jobIs(name: string): Condition {
  return { sql: "b.job_name = ?", values: [name] };
}

/** New success, or new failure. */
export const weatherChanged = constant("b.weather in (0, 1)");

function constant(sql: string): Condition {
  return { sql, values: [] };
}

/** In one parameter, so that there are few different statements. */
function statusIn(statuses: readonly number[]): Condition {
  return {
    sql: "+b.status in (select value from json_each(?))",
    values: [JSON.stringify(statuses)],
  };
}

/** Behind the last character that there is. */
const BEHIND = "\u{10ffff}";

/** Of the newest evaluation first. */
export function placesOf(conditions: readonly Condition[]): Places {
  const sql = `
    select b.evaluation as "createdAt", b.number as number from project_builds b
    where ${conditions.map((condition) => condition.sql).join(" and ")}
      and (b.evaluation, b.number) < (?, ?)
    order by b.evaluation desc, b.number desc limit ?`;
  return { sql, values: conditions.flatMap((condition) => condition.values) };
}

/** Most urgent first, then oldest, as negative numbers. */
export function queuedOf(
  project: string,
  status: number,
  { job, system, evaluation }: ProjectBuildFilter,
): Places {
  const conditions: Condition[] = [
    projectIs(project),
    { sql: "b.status = ? and b.status < 0", values: [status] },
    ...(job === undefined
      ? []
      : [
          { sql: "+b.job_name in (select value from json_each(?))", values: [JSON.stringify(job)] },
        ]),
    ...(system === undefined ? [] : [{ sql: "+b.system = ?", values: [system] }]),
    ...(evaluation === undefined ? [] : [{ sql: "+b.evaluation = ?", values: [evaluation] }]),
  ];
  const sql = `
    select -b.priority as "createdAt", -b.number as number from project_builds b
    where ${conditions.map((condition) => condition.sql).join(" and ")}
      and (b.priority, b.number) > (-(?), -(?))
    order by b.priority, b.number limit ?`;
  return { sql, values: conditions.flatMap((condition) => condition.values) };
}
