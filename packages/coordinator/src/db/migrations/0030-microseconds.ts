import { sql, type Kysely } from "kysely";
import { COUNT_ALL as COUNT_ALL_BY_MILLISECONDS } from "./0014-nixbuild.ts";

/** Attempts keep the microseconds that workers measure, and what is computed and added up of their times is as exact. Those of earlier releases have whole milliseconds. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { rows: triggers } = await sql<{ name: string; text: string }>`
    select name, sql as text from sqlite_schema where type = 'trigger' and (sql like '%duration_ms%' or sql like '%measured_seconds%')
  `.execute(db);
  const drop = triggers.map(({ name }) => `drop trigger ${name}`);
  const create = triggers.map(({ text }) => withMicroseconds(text));
  for (const statement of [...drop, ...COLUMNS, ...create]) await sql.raw(statement).execute(db);
}

const COLUMNS = [
  "alter table attempts drop column measured_seconds",
  "alter table attempts drop column allocated_seconds",
  "alter table attempts drop column duration_ms",
  "alter table attempts add column started_us integer not null default 0",
  "alter table attempts add column stopped_us integer not null default 0",
  `alter table attempts add column duration_us bigint generated always as
    (case when status <> 'running' and started_at is not null and stopped_at is not null
      then max((stopped_at - started_at) * 1000 + stopped_us - started_us, 0) end) virtual`,
  // Whole seconds, rounded up, at least one for what was executed.
  `alter table attempts add column allocated_seconds bigint generated always as
    (case when duration_us is null then 0 else max(1, (duration_us * coalesce(cpu_count, 1) + 999999) / 1000000) end) virtual`,
  // What was not measured counts as allocated.
  `alter table attempts add column measured_seconds bigint generated always as
    (case when duration_us is null then 0 when cpu_time_ms is null then allocated_seconds
      else max(1, cast(cpu_time_ms / 1000 as integer) + (cpu_time_ms / 1000 > cast(cpu_time_ms / 1000 as integer))) end) virtual`,
  "alter table attempt_sums rename column duration_ms to duration_us",
  "alter table attempt_sums rename column first_started_at to first_started_us",
  "alter table attempt_sums rename column last_stopped_at to last_stopped_us",
  "update attempt_sums set duration_us = duration_us * 1000, first_started_us = first_started_us * 1000, last_stopped_us = last_stopped_us * 1000",
];

/** Counts all sums anew, into an empty table. */
export const COUNT_ALL = withMicroseconds(COUNT_ALL_BY_MILLISECONDS);

/** The statements of migration 0014 that add attempts up, for the columns of today. */
function withMicroseconds(statement: string): string {
  return statement
    .replaceAll("duration_ms", "duration_us")
    .replaceAll("first_started_at", "first_started_us")
    .replaceAll("last_stopped_at", "last_stopped_us")
    .replaceAll(
      "min(coalesce(a.started_at, a.created_at))",
      "min(coalesce(a.started_at, a.created_at) * 1000 + a.started_us)",
    )
    .replaceAll(
      "max(coalesce(a.stopped_at, a.created_at))",
      "max(coalesce(a.stopped_at, a.created_at) * 1000 + a.stopped_us)",
    );
}
