import { sql, type Kysely } from "kysely";
import { nameJobs } from "../../cuirass/job-name.ts";

/**
 * What Cuirass's API asks: numbers of evaluations, of builds of projects and of their products, names of jobs, weather, dashboards. Triggers keep
 * what a project's build shows, so it changes in the same transaction as the build, whoever changes it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await extendTables(db);
  await createStatusTable(db);
  await createBuildTables(db);
  await numberEvaluations(db);
  await rescalePriorities(db);
  for (const trigger of [...REGISTRATION, ...UPKEEP]) await sql.raw(trigger).execute(db);
  await registerEarlier(db);
}

async function run(db: Kysely<unknown>, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

async function extendTables(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    "alter table projects add column alias text",
    "alter table projects add column priority integer not null default 5",
    "alter table projects add column open_hook integer not null default 0",
    // Looks only when it is asked to: of projects that no trigger polls for.
    "alter table triggers add column is_hook integer not null default 0",
    "create unique index projects_alias on projects (alias) where alias is not null",
    "alter table evaluations add column number integer",
    "create unique index evaluations_number on evaluations (number)",
    "create index evaluations_by_project_id_number on evaluations (project_id, number)",
    "alter table jobs add column name text",
    "alter table jobs add column evaluation_number integer",
    "alter table jobs add column build_number integer",
    // With all that a list of jobs and a comparison of two evaluations read.
    `create index jobs_by_evaluation_number_name on jobs (evaluation_number, name, build_number)
      where evaluation_number is not null`,
    `create table number_sequences (
      name text primary key not null,
      last integer not null) without rowid`,
    "insert into number_sequences (name, last) values ('evaluations', 0)",
    `create table dashboards (
      id text primary key not null,
      project_id text not null references projects (id) on delete cascade,
      names_json text not null,
      created_by text,
      created_at bigint not null,
      used_at bigint not null)`,
    "create index dashboards_by_project_id_used_at on dashboards (project_id, used_at)",
    "create index dashboards_by_used_at on dashboards (used_at)",
  ]);
}

/** What scheduler/api-words.ts says, for triggers; `attempt` is empty for all that have no row of their own. */
async function createStatusTable(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    `create table cuirass_statuses (
      state text not null,
      attempt text not null,
      status integer not null,
      primary key (state, attempt)) without rowid`,
    `insert into cuirass_statuses (state, attempt, status) values
      ('Created', '', -2), ('Queued', '', -2), ('FailedTransient', '', -2), ('Building', '', -1),
      ('Completed', '', 0), ('Substituted', '', 0), ('FailedPermanent', '', 1), ('DependencyFailed', '', 2),
      ('FailedTimeout', '', 3), ('Aborted', '', 4),
      ('FailedPermanent', 'timeout', 3), ('FailedPermanent', 'max_memory_exceeded', 3),
      ('FailedPermanent', 'out_of_memory', 3), ('FailedPermanent', 'client_disconnect', 3),
      ('FailedPermanent', 'client_error', 3), ('FailedPermanent', 'internal_error', 3)`,
  ]);
}

async function createBuildTables(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    `create table project_builds (
      number integer primary key autoincrement,
      project_id text not null references projects (id) on delete cascade,
      derivation_id integer not null references derivations (id) on delete cascade,
      evaluation integer not null,
      job_name text not null,
      is_job integer not null,
      system text not null,
      nix_name text not null,
      status integer not null,
      weather integer not null default -1,
      priority integer not null,
      constraint project_builds_derivation unique (derivation_id, project_id))`,
    "create index project_builds_by_job_name on project_builds (project_id, job_name, evaluation, number)",
    "create index project_builds_by_nix_name on project_builds (project_id, nix_name, evaluation, number)",
    "create index project_builds_by_status on project_builds (project_id, system, status, evaluation, number)",
    // The newest of many projects are mostly found here; it has all that they are chosen by.
    "create index project_builds_in_order on project_builds (evaluation, number, project_id, system, status, nix_name)",
    "create index project_builds_finished on project_builds (project_id, evaluation, number) where status >= 0",
    "create index project_builds_unfinished on project_builds (project_id, status, priority, number) where status < 0",
    "create index project_builds_queue on project_builds (status desc, priority, number, project_id, system, job_name, evaluation) where status < 0",
    "create index project_builds_changed on project_builds (project_id, evaluation, number) where weather in (0, 1)",
    `create table build_products (
      number integer primary key autoincrement,
      build integer not null references project_builds (number) on delete cascade,
      output text not null,
      position integer not null,
      constraint build_products_place unique (build, output, position))`,
  ]);
}

async function numberEvaluations(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    `update evaluations set number = place.number
      from (select id, row_number() over (order by created_at, id) as number from evaluations) place
      where place.id = evaluations.id`,
    "update number_sequences set last = (select coalesce(max(number), 0) from evaluations) where name = 'evaluations'",
  ]);
}

/** A class has ten steps now, for the priorities of projects. */
async function rescalePriorities(db: Kysely<unknown>): Promise<void> {
  for (const table of ["evaluations", "builds"]) {
    await run(db, [`update ${table} set priority = priority * 10 + 4`]);
  }
}

const statusOf = (build: string): string => `coalesce(
  (select s.status from cuirass_statuses s where s.state = ${build}.state and s.attempt =
    (select a.status from attempts a where a.build_id = ${build}.id order by a.number desc limit 1)),
  (select s.status from cuirass_statuses s where s.state = ${build}.state and s.attempt = ''))`;

/** 0 to 99, lower is sooner. */
const priorityOf = (priority: string): string => `max(0, min(99, 49 - ${priority}))`;

/** Instead of a conflict, which would use up a number. */
const isNew = (derivation: string, project: string): string => `not exists (
  select 1 from project_builds known where known.derivation_id = ${derivation} and known.project_id = ${project})`;

const REGISTRATION: readonly string[] = [
  `create trigger evaluations_number after insert on evaluations begin
    update number_sequences set last = last + 1 where name = 'evaluations';
    update evaluations set number = (select last from number_sequences where name = 'evaluations') where id = new.id;
  end`,
  // What a project's evaluation needs and no job of it is.
  `create trigger evaluation_builds_register after insert on evaluation_builds begin
    insert into project_builds (project_id, derivation_id, evaluation, job_name, is_job, system, nix_name, status, priority)
      select e.project_id, b.derivation_id, e.number, replace(d.name, '=', '%3D') || '.' || d.system, 0, d.system, d.name,
        ${statusOf("b")}, ${priorityOf("b.priority")}
      from evaluations e join builds b on b.id = new.build_id join derivations d on d.id = b.derivation_id
      where e.id = new.evaluation_id and e.project_id is not null and ${isNew("b.derivation_id", "e.project_id")};
  end`,
];

/** Against the newest finished build of the same job in an earlier evaluation. */
const WEATHER = `coalesce((
  select case when p.status = 0 and new.status = 0 then 2 when p.status = 0 then 1 when new.status = 0 then 0 else 3 end
  from project_builds p
  where p.project_id = new.project_id and p.job_name = new.job_name and p.evaluation < new.evaluation
    and p.status >= 0 and p.is_job = 1 and new.is_job = 1
  order by p.evaluation desc, p.number desc limit 1), -1)`;

const SET_WEATHER = `update project_builds set weather = ${WEATHER} where number = new.number`;

const ADD_PRODUCTS = `
  insert into build_products (build, output, position)
    select new.number, o.name, j.key
    from derivation_outputs o cross join derivations d cross join cache_subscriptions s cross join cache_paths c
      cross join nar_build_products n, json_each(n.products_json) j
    where o.derivation_id = new.derivation_id and o.path is not null and d.id = new.derivation_id
      and s.organization_id = d.organization_id and c.cache_id = s.cache_id and c.hash_part = substr(o.path, 1, 32)
      and c.path = o.path and n.nar_hash = c.nar_hash
    order by o.name, j.key
    on conflict (build, output, position) do nothing`;

const UPKEEP: readonly string[] = [
  `create trigger builds_cuirass_status after update of state on builds
  when not (new.state in ('Created', 'Queued', 'FailedTransient') and old.state in ('Created', 'Queued', 'FailedTransient')) begin
    update project_builds set status = ${statusOf("new")} where derivation_id = new.derivation_id;
  end`,
  `create trigger builds_cuirass_priority after update of priority on builds when new.priority <> old.priority begin
    update project_builds set priority = ${priorityOf("new.priority")} where derivation_id = new.derivation_id;
  end`,
  `create trigger project_builds_registered after insert on project_builds when new.status >= 0 begin
    ${SET_WEATHER};
    ${ADD_PRODUCTS};
  end`,
  `create trigger project_builds_ended after update of status on project_builds when old.status < 0 and new.status >= 0 begin
    ${SET_WEATHER};
    ${ADD_PRODUCTS};
  end`,
  `create trigger project_builds_restarted after update of status on project_builds when old.status >= 0 and new.status < 0 begin
    update project_builds set weather = -1 where number = new.number;
  end`,
  // What was only needed before is asked for by name now.
  `create trigger project_builds_named after update of is_job on project_builds when new.status >= 0 begin
    ${SET_WEATHER};
  end`,
  // A path that was substituted comes when somebody fetches it.
  `create trigger cache_paths_products after insert on cache_paths
  when exists (select 1 from nar_build_products where nar_hash = new.nar_hash) begin
    insert into build_products (build, output, position)
      select p.number, o.name, j.key
      from derivation_outputs o cross join derivations d cross join cache_subscriptions s cross join project_builds p
        cross join nar_build_products n, json_each(n.products_json) j
      where o.path = new.path and d.id = o.derivation_id and s.organization_id = d.organization_id
        and s.cache_id = new.cache_id and p.derivation_id = d.id and p.status >= 0 and n.nar_hash = new.nar_hash
      order by p.number, o.name, j.key
      on conflict (build, output, position) do nothing;
  end`,
];

/** Rows that are named in one go. */
const BATCH = 1000;

interface EarlierEvaluation {
  id: string;
  number: number;
  project_id: string;
}

/** Evaluation by evaluation in their order, jobs first, as it is done for new ones. */
async function registerEarlier(db: Kysely<unknown>): Promise<void> {
  const { rows: evaluations } = await sql<EarlierEvaluation>`
    select id, number, project_id from evaluations where project_id is not null order by number
  `.execute(db);
  for (const evaluation of evaluations) {
    await registerJobs(db, evaluation);
    await sql`
      insert into project_builds (project_id, derivation_id, evaluation, job_name, is_job, system, nix_name, status, priority)
      select ${evaluation.project_id}, b.derivation_id, ${evaluation.number}, replace(d.name, '=', '%3D') || '.' || d.system, 0,
        d.system, d.name, ${sql.raw(statusOf("b"))}, ${sql.raw(priorityOf("b.priority"))}
      from evaluation_builds l join projects l_project on l_project.id = ${evaluation.project_id}
        join builds b on b.id = l.build_id join derivations d on d.id = b.derivation_id
      where l.evaluation_id = ${evaluation.id} and ${sql.raw(isNew("b.derivation_id", "l_project.id"))}
      order by b.id
    `.execute(db);
  }
}

async function registerJobs(db: Kysely<unknown>, evaluation: EarlierEvaluation): Promise<void> {
  const taken = new Set<string>();
  for (let after = ""; ;) {
    const { rows } = await sql<{ attribute: string; derivation: number; system: string }>`
      select j.attribute_json as attribute, j.derivation_id as derivation, d.system
      from jobs j join derivations d on d.id = j.derivation_id
      where j.evaluation_id = ${evaluation.id} and j.attribute_json > ${after}
      order by j.attribute_json limit ${BATCH}
    `.execute(db);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.attribute;
    const jobs = rows.map((row) => ({
      ...row,
      text: row.attribute,
      attribute: pathOf(row.attribute),
    }));
    const names = nameJobs(jobs, (name) => taken.has(name));
    for (const name of names.values()) taken.add(name);
    const named = jobs.map((job) => [job.text, job.derivation, names.get(job) ?? ""]);
    await writeJobs(db, evaluation, JSON.stringify(named));
  }
}

async function writeJobs(
  db: Kysely<unknown>,
  evaluation: EarlierEvaluation,
  named: string,
): Promise<void> {
  await sql`
    insert into project_builds (project_id, derivation_id, evaluation, job_name, is_job, system, nix_name, status, priority)
    select ${evaluation.project_id}, d.id, ${evaluation.number}, j.value ->> 2, 1, d.system, d.name,
      coalesce(${sql.raw(statusOf("b"))}, -2), coalesce(${sql.raw(priorityOf("b.priority"))}, 49)
    from json_each(${named}) j join projects p on p.id = ${evaluation.project_id} join derivations d on d.id = j.value ->> 1
      left join builds b on b.derivation_id = d.id
    where ${sql.raw(isNew("d.id", "p.id"))} order by j.key
    on conflict (derivation_id, project_id) do nothing
  `.execute(db);
  await sql`
    update project_builds set is_job = 1, job_name = j.value ->> 2
    from json_each(${named}) j
    where project_builds.derivation_id = j.value ->> 1 and project_builds.project_id = ${evaluation.project_id} and project_builds.is_job = 0
  `.execute(db);
  await sql`
    update jobs set name = j.value ->> 2, evaluation_number = ${evaluation.number}, build_number = p.number
    from json_each(${named}) j join project_builds p on p.derivation_id = j.value ->> 1 and p.project_id = ${evaluation.project_id}
    where jobs.evaluation_id = ${evaluation.id} and jobs.attribute_json = j.value ->> 0
  `.execute(db);
}

function pathOf(json: string): string[] {
  const path: unknown = JSON.parse(json);
  return Array.isArray(path) ? path.map(String) : [];
}
