import { sql, type Kysely } from "kysely";

/** Inputs of flakes that are others than the lock file says in every evaluation of a project. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table project_flake_inputs (
      id text primary key not null,
      project_id text not null references projects (id) on delete cascade,
      input_name text not null,
      url text not null,
      created_at integer not null,
      updated_at integer not null,
      unique (project_id, input_name))
  `.execute(db);
}
