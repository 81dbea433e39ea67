import { sql, type Kysely } from "kysely";

/** What lists over many projects are read by: builds of one job, whatever the project, and those that have failed, which are few. Both hold all that is asked of a list. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    "create index project_builds_of_job on project_builds (job_name, evaluation, number, project_id, system, status)",
    "create index project_builds_failed on project_builds (status, evaluation, number, project_id, system) where status > 0",
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
