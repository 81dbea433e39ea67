import { sql, type Kysely } from "kysely";

/** The figures of a usage record that lists show, so that a list of thousands does not read as many records. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("attempts").addColumn("cpu_time_ms", "double precision").execute();
  await db.schema.alterTable("attempts").addColumn("memory_peak_bytes", "bigint").execute();
  await sql`
    update attempts set
      cpu_time_ms = (usage_json ->> 'cpuUserMs') + (usage_json ->> 'cpuSystemMs'),
      memory_peak_bytes = usage_json ->> 'memoryPeakBytes'
    where usage_json is not null
  `.execute(db);
  await db.schema
    .createIndex("attempts_by_fencing")
    .on("attempts")
    .column("fencing")
    .where(sql.ref("fencing"), "is not", null)
    .execute();
  // What they belong to may be deleted.
  for (const column of ["organization_id", "cache_id"]) {
    await db.schema
      .createIndex(`api_keys_by_${column}`)
      .on("api_keys")
      .column(column)
      .where(sql.ref(column), "is not", null)
      .execute();
  }
}
