import { sql, type Kysely } from "kysely";

/**
 * What builds needed when they ran last, by package and system; what is set aside of a worker for each build that it holds; how large workers
 * are that are away; and the settings of nixbuild.net that say which builds are not run again, and which end with their client.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table run_histories (
      organization_id text not null references organizations (id) on delete cascade,
      system text not null,
      name text not null,
      runs_json text not null,
      primary key (organization_id, system, name)) without rowid
  `.execute(db);
  await sql`alter table assignments add column reserved_memory_bytes bigint`.execute(db);
  await sql`alter table assignments add column reserved_cores double precision`.execute(db);
  await sql`alter table workers add column cores integer`.execute(db);
  await sql`alter table workers add column memory_bytes bigint`.execute(db);
  await addSettings(db);
}

async function addSettings(db: Kysely<unknown>): Promise<void> {
  const flag = "integer not null default 0";
  for (const column of ["reuse_build_failures", "reuse_build_timeouts"]) {
    await sql`alter table organizations add column ${sql.raw(`${column} ${flag}`)}`.execute(db);
    await sql`alter table evaluations add column ${sql.raw(`${column} ${flag}`)}`.execute(db);
  }
  await sql`alter table evaluations add column ends_with_client ${sql.raw(flag)}`.execute(db);
  await sql`alter table attempts add column is_deserted ${sql.raw(flag)}`.execute(db);
  await sql`alter table evaluation_builds add column reused_attempt integer`.execute(db);
  await sql`
    create index evaluations_ending_with_client on evaluations (created_at)
    where ends_with_client = 1 and finished_at is null
  `.execute(db);
}
