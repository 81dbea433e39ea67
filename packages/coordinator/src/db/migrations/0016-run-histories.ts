import { sql, type Kysely } from "kysely";

/**
 * What builds needed when they ran last, by package and system; what is set aside of a worker for each build that it holds; and how large workers
 * are that are away.
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
}
