import { randomUUID } from "node:crypto";
import type Database from "better-sqlite3";

/** Evaluations of the project `history`, and their jobs. */
const HISTORY = 100;
const HISTORY_JOBS = 100;
/** Jobs of each of the two evaluations of the project `large`. */
const LARGE_JOBS = 100_000;
/** One in so many has another build in the second one. */
const CHANGED = 20;

/** Some rows for the requests of a benchmark of Cuirass's API. */
export interface CuirassNames {
  /** Numbers of builds, of evaluations, and base names of outputs. */
  projectBuilds: string[];
  evaluationNumbers: string[];
  outputs: string[];
  /** UUID and number of an evaluation with 100,000 jobs, with an earlier one before it. */
  largeDifference: { id: string; number: string };
}

/**
 * Gives the jobs of a filled database their names and builds, as registration would have, and the first organization two further projects:
 * `history` with 100 evaluations, and `large` with two evaluations of 100,000 jobs, of which one in twenty has changed.
 */
export function fillCuirass(db: Database.Database): CuirassNames {
  nameJobs(db);
  const history = addProject(db, "history");
  for (let at = 0; at < HISTORY; at += 1) {
    const from = at * HISTORY_JOBS;
    addEvaluation(db, history, HISTORY_JOBS, `1 + (${from} + i * 3) % 10000`);
  }
  const large = addProject(db, "large");
  addEvaluation(db, large, LARGE_JOBS, "1 + i");
  const id = addEvaluation(db, large, LARGE_JOBS, `1 + i + (i % ${CHANGED} = 0) * 500000`);
  // Some of what has changed waits.
  db.exec(`update builds set state = 'Queued' where id in (
    select 500001 + i from numbers where i < ${LARGE_JOBS} and i % ${2 * CHANGED} = 0)`);
  const texts = (sql: string): string[] => db.prepare(sql).pluck().all().map(String);
  return {
    projectBuilds: texts("select number from project_builds where number % 10007 = 0 limit 100"),
    evaluationNumbers: texts("select number from evaluations where number % 53 = 0 limit 90"),
    outputs: texts("select path from derivation_outputs where derivation_id % 10007 = 0 limit 100"),
    largeDifference: {
      id,
      number: String(db.prepare("select number from evaluations where id = ?").pluck().get(id)),
    },
  };
}

/** Links builds to evaluations without the triggers and indexes that would register each by itself, and registers all of them then. */
export function registerLater(db: Database.Database, link: () => void): void {
  const upkeep = db
    .prepare<[], { type: string; name: string; sql: string }>(
      `select type, name, sql from sqlite_master where sql is not null
         and ((tbl_name = 'project_builds' and type in ('trigger', 'index')) or name = 'evaluation_builds_register')`,
    )
    .all();
  for (const { type, name } of upkeep) db.exec(`drop ${type} ${name}`);
  link();
  db.exec(`
    insert into project_builds (project_id, derivation_id, evaluation, job_name, is_job, system, nix_name, status, weather, priority)
      select e.project_id, b.derivation_id, min(e.number), d.name || '.' || d.system, 0, d.system, d.name,
        case b.state when 'Completed' then 0 else 1 end, case when b.id % 5000 = 7 then b.id / 5000 % 2 else -1 end, 45
      from evaluation_builds l join evaluations e on e.id = l.evaluation_id join builds b on b.id = l.build_id
        join derivations d on d.id = b.derivation_id
      group by e.project_id, b.derivation_id order by min(e.number), b.id
  `);
  for (const { sql } of upkeep) db.exec(sql);
}

function nameJobs(db: Database.Database): void {
  db.exec(`
    update jobs set name = (attribute_json ->> '$[2]') || '.x86_64-linux', evaluation_number = e.number, build_number = p.number
      from evaluations e join project_builds p on p.project_id = e.project_id
      where e.id = jobs.evaluation_id and p.derivation_id = jobs.derivation_id;
    update project_builds set is_job = 1, job_name = j.name from jobs j where j.build_number = project_builds.number;
  `);
}

/** Returns its UUID. */
function addProject(db: Database.Database, name: string): string {
  const id = randomUUID();
  db.exec(`
    insert into projects (id, organization_id, name, display_name, description, repository, wildcard, active, managed, force_evaluation, sign_cache, keep_evaluations, concurrency, created_by, created_at)
      select '${id}', organization_id, '${name}', '${name}', '', '', '*', 1, 0, 0, 1, 1000, 'soft_abort', created_by, created_at from projects limit 1;
  `);
  return id;
}

/** An evaluation whose job number `i` is the derivation that the SQL says. Returns its UUID. */
function addEvaluation(
  db: Database.Database,
  project: string,
  jobs: number,
  derivation: string,
): string {
  const id = randomUUID();
  db.exec(`
    insert into evaluations (id, organization_id, project_id, repository, wildcard, revision, state, priority, unfinished_builds, tries, created_at, updated_at, building_started_at, finished_at)
      select '${id}', organization_id, id, '', '*', '${id}', 'Completed', 24, 0, 0, created_at, created_at, created_at, created_at from projects where id = '${project}';
    insert into project_builds (project_id, derivation_id, evaluation, job_name, is_job, system, nix_name, status, priority)
      select '${project}', d.id, e.number, 'job-' || i || '.x86_64-linux', 1, d.system, d.name, case b.state when 'Completed' then 0 else 1 end, 25
      from numbers join evaluations e on e.id = '${id}' join derivations d on d.id = ${derivation} join builds b on b.derivation_id = d.id
      where i < ${jobs} and not exists (select 1 from project_builds p where p.derivation_id = d.id and p.project_id = '${project}');
    insert into jobs (evaluation_id, attribute_json, derivation_id, created_at, name, evaluation_number, build_number)
      select '${id}', '["packages","x86_64-linux","job-' || i || '"]', p.derivation_id, 0, 'job-' || i || '.x86_64-linux', e.number, p.number
      from numbers join evaluations e on e.id = '${id}' join project_builds p on p.derivation_id = ${derivation} and p.project_id = '${project}'
      where i < ${jobs};
  `);
  return id;
}
