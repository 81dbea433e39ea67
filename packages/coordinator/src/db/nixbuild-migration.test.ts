import Sqlite from "better-sqlite3";
import { Kysely } from "kysely";
import { expect, test } from "vitest";
import { MigratingDialect } from "./migrating-dialect.ts";
import { migrateTo, migrateToLatest } from "./migrator.ts";
import { COUNT_ALL } from "./migrations/0030-microseconds.ts";

test("what an earlier release has measured in milliseconds stays, and is added to by microseconds", async () => {
  const connection = new Sqlite(":memory:");
  connection.pragma("foreign_keys = OFF");
  const kysely = new Kysely<unknown>({ dialect: new MigratingDialect({ database: connection }) });
  await migrateTo(kysely, "0026-stored-anew");
  connection.exec(`
    insert into organizations (id, name, display_name, description, public, hide_build_requests, ssh_public_key, ssh_private_key, managed, created_by, created_at)
      values ('o', 'acme', '', '', 1, 0, '', '', 0, '', 0);
    insert into builds (id, organization_id, derivation_id, state, unmet_dependencies, priority, created_at, updated_at)
      values (1, 'o', 1, 'Completed', 0, 4, 0, 0);
    insert into attempts (build_id, status, created_at, started_at, stopped_at, cpu_count, log_bytes)
      values (1, 'built', 1000, 2000, 3500, 2, 0), (1, 'pending', 1000, null, null, 2, 0);
  `);
  const sums = () =>
    connection
      .prepare("select * from attempt_sums order by scope, unit, at, status")
      .all() as Record<string, unknown>[];
  await migrateToLatest(kysely);
  expect(sums()[0]).toMatchObject({
    duration_us: 1_500_000,
    first_started_us: 2_000_000,
    last_stopped_us: 3_500_000,
    allocated_seconds: 3,
    measured_seconds: 3,
  });
  connection.exec(
    "update attempts set status = 'built', started_at = 4000, started_us = 1, stopped_at = 4500, stopped_us = 3 where number = 2",
  );
  const kept = sums();
  expect(kept[0]).toMatchObject({
    attempts: 2,
    duration_us: 2_000_002,
    first_started_us: 2_000_000,
    last_stopped_us: 4_500_003,
    allocated_seconds: 5,
  });
  connection.exec("delete from attempt_sums");
  connection.exec(COUNT_ALL);
  expect(sums()).toEqual(kept);
  await kysely.destroy();
});
