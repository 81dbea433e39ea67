import { sql, type ColumnDefinitionBuilder, type Kysely } from "kysely";

/** What caches keep although nobody fetches it, what the disk holds, and work that goes over all of it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createPins(db);
  await createTasks(db);
  await createNarTotals(db);
}

async function createPins(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("cache_pins")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("cache_id", "text", ownedBy("caches.id"))
    .addColumn("path", "text")
    .addColumn("evaluation_id", "text", (column) =>
      column.references("evaluations.id").onDelete("cascade"),
    )
    .addColumn("until", "bigint")
    .addColumn("created_by", "text")
    .addColumn("created_at", "bigint", required)
    .execute();
  await db.schema
    .createIndex("cache_pins_by_cache_id_path")
    .on("cache_pins")
    .columns(["cache_id", "path"])
    .execute();
  await db.schema
    .createIndex("cache_pins_by_evaluation_id")
    .on("cache_pins")
    .column("evaluation_id")
    .where(sql.ref("evaluation_id"), "is not", null)
    .execute();
}

async function createTasks(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("maintenance_tasks")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("kind", "text", required)
    .addColumn("state", "text", required)
    // The cache may be gone when the task is looked at again.
    .addColumn("cache_id", "text")
    .addColumn("dry_run", "integer", required)
    .addColumn("repair", "integer", required)
    .addColumn("progress_json", "text", required)
    .addColumn("error", "text")
    .addColumn("requested_by", "text")
    .addColumn("created_at", "bigint", required)
    .addColumn("started_at", "bigint")
    .addColumn("finished_at", "bigint")
    .execute();
  await db.schema
    .createIndex("maintenance_tasks_unfinished")
    .on("maintenance_tasks")
    .column("created_at")
    .where(sql.ref("finished_at"), "is", null)
    .execute();
  for (const columns of [["created_at"], ["kind", "cache_id", "created_at"]]) {
    await db.schema
      .createIndex(`maintenance_tasks_by_${columns.join("_")}`)
      .on("maintenance_tasks")
      .columns(columns)
      .execute();
  }
}

/** How much lies on the disk: counted with every object that comes or goes, and to be counted anew by the query that fills it here. */
async function createNarTotals(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("nar_totals")
    .addColumn("id", "integer", (column) => column.primaryKey().notNull())
    .addColumn("objects", "bigint", required)
    .addColumn("file_bytes", "bigint", required)
    .execute();
  await sql`
    insert into nar_totals (id, objects, file_bytes)
    select 1, count(*), coalesce(sum(file_size), 0) from nar_objects
  `.execute(db);
  await sql`
    create trigger nar_totals_insert after insert on nar_objects begin
      update nar_totals set objects = objects + 1, file_bytes = file_bytes + new.file_size where id = 1;
    end
  `.execute(db);
  await sql`
    create trigger nar_totals_delete after delete on nar_objects begin
      update nar_totals set objects = objects - 1, file_bytes = file_bytes - old.file_size where id = 1;
    end
  `.execute(db);
}

type Column = ColumnDefinitionBuilder;

const required = (column: Column): Column => column.notNull();
const ownedBy =
  (target: string) =>
  (column: Column): Column =>
    column.notNull().references(target).onDelete("cascade");
