import { sql, type Kysely } from "kysely";

/**
 * What nixbuild.net's API asks of attempts: to whom they belong, what they were given, what they made, their tags, and sums of those that
 * ended. Triggers keep tags and sums, so they change in the same transaction as what they are made of, whoever changes it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await addAttemptColumns(db);
  await createTagTables(db);
  await createSumTable(db);
  await fillFromEarlier(db);
  await createTriggers(db);
}

async function addAttemptColumns(db: Kysely<unknown>): Promise<void> {
  const columns = [
    "organization_id text references organizations (id) on delete cascade",
    "project_id text",
    "cpu_count integer",
    "allocated_bytes bigint",
    "storage_peak_bytes bigint",
    "outputs_json text",
    "output_nar_bytes bigint",
    `duration_ms bigint generated always as
      (case when status <> 'running' and started_at is not null and stopped_at is not null then max(stopped_at - started_at, 0) end) virtual`,
    // Whole seconds, rounded up, at least one for what was executed.
    `allocated_seconds bigint generated always as
      (case when duration_ms is null then 0 else max(1, (duration_ms * coalesce(cpu_count, 1) + 999) / 1000) end) virtual`,
    // What was not measured counts as allocated.
    `measured_seconds bigint generated always as
      (case when duration_ms is null then 0 when cpu_time_ms is null then allocated_seconds
        else max(1, cast(cpu_time_ms / 1000 as integer) + (cpu_time_ms / 1000 > cast(cpu_time_ms / 1000 as integer))) end) virtual`,
  ];
  for (const column of columns) {
    await sql`alter table attempts add column ${sql.raw(column)}`.execute(db);
  }
}

async function createTagTables(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table tags (
      id integer primary key autoincrement,
      organization_id text not null references organizations (id) on delete cascade,
      name text not null,
      value text not null,
      constraint tags_key unique (organization_id, name, value))
  `.execute(db);
  await sql`
    create table derivation_tags (
      derivation_id integer not null references derivations (id) on delete cascade,
      tag_id integer not null references tags (id) on delete cascade,
      primary key (derivation_id, tag_id)) without rowid
  `.execute(db);
  await sql`
    create table evaluation_tags (
      evaluation_id text not null references evaluations (id) on delete cascade,
      tag_id integer not null references tags (id) on delete cascade,
      primary key (evaluation_id, tag_id)) without rowid
  `.execute(db);
  await sql`
    create table attempt_tags (
      tag_id integer not null references tags (id) on delete cascade,
      created_at bigint not null,
      attempt integer not null references attempts (number) on delete cascade,
      primary key (tag_id, created_at, attempt)) without rowid
  `.execute(db);
  await sql`create index attempt_tags_by_attempt on attempt_tags (attempt, tag_id)`.execute(db);
  await sql`create index derivation_tags_by_tag_id on derivation_tags (tag_id)`.execute(db);
  await sql`create index evaluation_tags_by_tag_id on evaluation_tags (tag_id)`.execute(db);
}

/**
 * Sums of attempts that ended. `scope`: empty for all of the organization, `project:ID`, `tag:ID`. `unit`: `day` and `hour` of their creation,
 * `stopped`: day on which they stopped. `at`: its beginning, UTC.
 */
async function createSumTable(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table attempt_sums (
      organization_id text not null references organizations (id) on delete cascade,
      scope text not null,
      unit text not null,
      at bigint not null,
      status text not null,
      attempts bigint not null,
      executed bigint not null,
      measured_seconds bigint not null,
      allocated_seconds bigint not null,
      duration_ms bigint not null,
      output_nar_bytes bigint not null,
      first_started_at bigint not null,
      last_stopped_at bigint not null,
      primary key (organization_id, scope, unit, at, status)) without rowid
  `.execute(db);
}

async function fillFromEarlier(db: Kysely<unknown>): Promise<void> {
  await sql`
    update attempts set
      organization_id = (select organization_id from builds where builds.id = attempts.build_id),
      project_id = (select e.project_id from evaluation_builds l join evaluations e on e.id = l.evaluation_id
        where l.build_id = attempts.build_id order by l.evaluation_id limit 1),
      cpu_count = cast(ceil(usage_json ->> 'coresLimit') as integer),
      allocated_bytes = coalesce(memory_bytes, usage_json ->> 'memoryLimitBytes'),
      storage_peak_bytes = usage_json ->> 'storagePeakBytes',
      output_nar_bytes = usage_json ->> 'outputNarBytes'
  `.execute(db);
  await sql`
    update attempts set outputs_json = (
      select json_group_array(json_object('name', o.name, 'path', o.path, 'narHash', p.nar_hash, 'narSize', p.nar_size))
      from builds b join derivation_outputs o on o.derivation_id = b.derivation_id
        join cache_subscriptions s on s.organization_id = b.organization_id
        join cache_paths p on p.cache_id = s.cache_id and p.hash_part = substr(o.path, 1, 32)
      where b.id = attempts.build_id and p.nar_size is not null
        and s.cache_id = (select min(cache_id) from cache_subscriptions where organization_id = b.organization_id))
    where status = 'built'
  `.execute(db);
  await sql`
    insert into tags (organization_id, name, value)
    select distinct d.organization_id, j.key, j.value from derivations d, json_each(d.facts_json, '$.tags') j
  `.execute(db);
  await sql`
    insert into derivation_tags (derivation_id, tag_id)
    select d.id, t.id from derivations d, json_each(d.facts_json, '$.tags') j
      join tags t on t.organization_id = d.organization_id and t.name = j.key and t.value = j.value
  `.execute(db);
  await sql`
    insert into attempt_tags (tag_id, created_at, attempt)
    select t.tag_id, a.created_at, a.number from derivation_tags t
      join builds b on b.derivation_id = t.derivation_id join attempts a on a.build_id = b.id
  `.execute(db);
  for (const [column, where] of [
    ["organization_id, created_at, number", ""],
    ["organization_id, status, created_at, number", ""],
    ["organization_id, created_at, number", "where status in ('pending', 'running')"],
  ]) {
    const name =
      where === "" ? `attempts_by_${column?.replaceAll(", ", "_")}` : "attempts_unfinished";
    await sql.raw(`create index ${name} on attempts (${column}) ${where}`).execute(db);
  }
  await sql.raw(COUNT_ALL).execute(db);
}

const ENDED = "not in ('pending', 'running')";

/** Adds what `attempts a` with `scopes s` and `condition` says to the sums. */
function addToSums(scopes: string, condition: string): string {
  return `
    insert into attempt_sums (organization_id, scope, unit, at, status, attempts, executed, measured_seconds, allocated_seconds,
      duration_ms, output_nar_bytes, first_started_at, last_stopped_at)
    select a.organization_id, s.scope, u.unit,
      case u.unit when 'hour' then a.created_at - a.created_at % 3600000
        when 'day' then a.created_at - a.created_at % 86400000
        else coalesce(a.stopped_at, a.created_at) - coalesce(a.stopped_at, a.created_at) % 86400000 end as unit_at,
      a.status, count(*), count(a.duration_ms), sum(a.measured_seconds), sum(a.allocated_seconds),
      coalesce(sum(a.duration_ms), 0), coalesce(sum(a.output_nar_bytes), 0),
      min(coalesce(a.started_at, a.created_at)), max(coalesce(a.stopped_at, a.created_at))
    from attempts a
      join (${scopes}) s on s.attempt = a.number
      join (select 'hour' as unit union all select 'day' union all select 'stopped') u
    where ${condition} and a.status ${ENDED} and a.organization_id is not null
      and (u.unit = 'stopped' or s.scope not like 'project:%')
    group by a.organization_id, s.scope, u.unit, unit_at, a.status
    on conflict do update set
      attempts = attempts + excluded.attempts, executed = executed + excluded.executed,
      measured_seconds = measured_seconds + excluded.measured_seconds,
      allocated_seconds = allocated_seconds + excluded.allocated_seconds,
      duration_ms = duration_ms + excluded.duration_ms, output_nar_bytes = output_nar_bytes + excluded.output_nar_bytes,
      first_started_at = min(first_started_at, excluded.first_started_at),
      last_stopped_at = max(last_stopped_at, excluded.last_stopped_at)`;
}

function scopesOf(condition: string, attempt: string): string {
  return `
    select '' as scope, number as attempt from attempts where ${condition.replace("ATTEMPT", "number")}
    union all select 'project:' || project_id, number from attempts
      where project_id is not null and ${condition.replace("ATTEMPT", "number")}
    union all select 'tag:' || tag_id, attempt from attempt_tags where ${condition.replace("ATTEMPT", attempt)}`;
}

/** Counts all anew, into an empty table. */
export const COUNT_ALL = addToSums(scopesOf("ATTEMPT > 0", "attempt"), "true");

const ADD_NEW = addToSums(scopesOf("ATTEMPT = new.number", "attempt"), "a.number = new.number");

/** A derivation's tag goes before one of the same name that an evaluation brings. */
const NOT_IN_DERIVATION = (build: string): string => `not exists (
  select 1 from builds b join derivation_tags d on d.derivation_id = b.derivation_id join tags own on own.id = d.tag_id
  where b.id = ${build} and own.name = t.name)`;

async function createTriggers(db: Kysely<unknown>): Promise<void> {
  const triggers = [
    `create trigger attempts_insert after insert on attempts begin
      update attempts set
        organization_id = coalesce(new.organization_id, (select organization_id from builds where id = new.build_id)),
        project_id = coalesce(new.project_id, (select e.project_id from evaluation_builds l join evaluations e on e.id = l.evaluation_id
          where l.build_id = new.build_id order by l.evaluation_id desc limit 1))
      where number = new.number;
      insert or ignore into attempt_tags (tag_id, created_at, attempt)
        select d.tag_id, new.created_at, new.number from builds b join derivation_tags d on d.derivation_id = b.derivation_id
        where b.id = new.build_id;
      insert or ignore into attempt_tags (tag_id, created_at, attempt)
        select t.id, new.created_at, new.number
        from evaluation_builds l join evaluations e on e.id = l.evaluation_id
          join evaluation_tags x on x.evaluation_id = e.id join tags t on t.id = x.tag_id
        where l.build_id = new.build_id and e.state not in ('Completed', 'Failed', 'Aborted')
          and ${NOT_IN_DERIVATION("new.build_id")};
      ${ADD_NEW};
    end`,
    `create trigger attempts_end after update of status on attempts
    when old.status in ('pending', 'running') and new.status ${ENDED} begin
      ${ADD_NEW};
    end`,
    // A usage record that came late.
    `create trigger attempts_late_usage after update of cpu_time_ms on attempts
    when old.status ${ENDED} and new.measured_seconds <> old.measured_seconds begin
      update attempt_sums set measured_seconds = measured_seconds + new.measured_seconds - old.measured_seconds
      where organization_id = new.organization_id and status = new.status
        and scope in (select '' union all select 'project:' || new.project_id
          union all select 'tag:' || tag_id from attempt_tags where attempt = new.number)
        and ((unit = 'hour' and at = new.created_at - new.created_at % 3600000)
          or (unit = 'day' and at = new.created_at - new.created_at % 86400000)
          or (unit = 'stopped' and at = coalesce(new.stopped_at, new.created_at) - coalesce(new.stopped_at, new.created_at) % 86400000));
    end`,
    `create trigger evaluation_builds_tags after insert on evaluation_builds
    when exists (select 1 from evaluation_tags where evaluation_id = new.evaluation_id) begin
      insert or ignore into attempt_tags (tag_id, created_at, attempt)
        select t.id, a.created_at, a.number
        from attempts a join evaluation_tags x on x.evaluation_id = new.evaluation_id join tags t on t.id = x.tag_id
        where a.build_id = new.build_id and a.status in ('pending', 'running') and ${NOT_IN_DERIVATION("new.build_id")};
    end`,
    `create trigger derivations_tags after insert on derivations
    when coalesce(new.facts_json ->> '$.tags', '{}') <> '{}' begin
      insert or ignore into tags (organization_id, name, value)
        select new.organization_id, j.key, j.value from json_each(new.facts_json, '$.tags') j;
      insert or ignore into derivation_tags (derivation_id, tag_id)
        select new.id, t.id from json_each(new.facts_json, '$.tags') j
          join tags t on t.organization_id = new.organization_id and t.name = j.key and t.value = j.value;
    end`,
  ];
  for (const trigger of triggers) await sql.raw(trigger).execute(db);
}
