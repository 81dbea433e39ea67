import Sqlite from "better-sqlite3";
import { Kysely } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MigratingDialect } from "./migrating-dialect.ts";
import { migrateTo, migrateToLatest } from "./migrator.ts";

/** An earlier release's database. */
let connection: Sqlite.Database;
let kysely: Kysely<unknown>;

beforeEach(async () => {
  connection = new Sqlite(":memory:");
  connection.pragma("foreign_keys = OFF");
  kysely = new Kysely({ dialect: new MigratingDialect({ database: connection }) });
  await migrateTo(kysely, "0014-nixbuild");
});
afterEach(() => kysely.destroy());

const all = (text: string): unknown[][] => connection.prepare(text).raw().all() as unknown[][];

function insertEarlier(): void {
  connection.exec(`
    insert into organizations (id, name, display_name, description, public, hide_build_requests, ssh_public_key, ssh_private_key, managed, created_by, created_at)
      values ('o', 'acme', '', '', 1, 0, '', '', 0, '', 0);
    insert into projects (id, organization_id, name, display_name, description, repository, wildcard, active, managed, force_evaluation, sign_cache,
        keep_evaluations, concurrency, created_by, created_at)
      values ('p', 'o', 'web', '', '', '', '', 1, 0, 0, 1, 30, 'all', '', 0);
    insert into evaluations (id, organization_id, project_id, repository, wildcard, state, priority, created_at, updated_at)
      values ('z-first', 'o', 'p', '', '', 'Completed', 4, 1000, 1000), ('a-second', 'o', 'p', '', '', 'Failed', 2, 2000, 2000),
        ('direct', 'o', null, '', '', 'Completed', 2, 1500, 1500);
    insert into derivations (id, organization_id, drv_path, name, system, required_features_json, is_fixed_output, facts_json, created_at)
      values (1, 'o', 'lib.drv', 'lib-1', 'x86_64-linux', '[]', 0, '{}', 0), (2, 'o', 'app1.drv', 'app-1', 'x86_64-linux', '[]', 0, '{}', 0),
        (3, 'o', 'app2.drv', 'app-2', 'x86_64-linux', '[]', 0, '{}', 0), (4, 'o', 'direct.drv', 'direct', 'x86_64-linux', '[]', 0, '{}', 0);
    insert into builds (id, organization_id, derivation_id, state, unmet_dependencies, priority, created_at, updated_at)
      values (1, 'o', 1, 'Substituted', 0, 4, 0, 0), (2, 'o', 2, 'Completed', 0, 4, 0, 0), (3, 'o', 3, 'FailedPermanent', 0, 2, 0, 0),
        (4, 'o', 4, 'Completed', 0, 2, 0, 0);
    insert into attempts (build_id, status, created_at, log_bytes) values (2, 'built', 0, 0), (3, 'internal_error', 0, 0);
    insert into evaluation_builds (id, evaluation_id, build_id)
      values ('1', 'z-first', 1), ('2', 'z-first', 2), ('3', 'a-second', 1), ('4', 'a-second', 3), ('5', 'direct', 4);
    insert into derivation_outputs (derivation_id, name, path) values (2, 'out', 'h-app-1');
    insert into cache_subscriptions (organization_id, cache_id, mode, created_at) values ('o', 'c', 'ReadWrite', 0);
    insert into nar_build_products (nar_hash, products_json) values ('nar', '[{"type":"file"},{"type":"doc"}]');
    insert into cache_paths (cache_id, hash_part, path, nar_hash, references_json, signatures_json, created_at)
      values ('c', 'h-app-1', 'h-app-1', 'nar', '[]', '[]', 0);
    insert into jobs (evaluation_id, attribute_json, derivation_id, error, created_at)
      values ('z-first', '["app"]', 2, null, 0), ('z-first', '["packages","x86_64-linux","app"]', 2, null, 0),
        ('a-second', '["app"]', 3, null, 0), ('a-second', '["throws"]', null, 'it throws', 0), ('direct', '["direct"]', 4, null, 0);
  `);
}

test("what an earlier release has evaluated is numbered, named and compared as if it came today", async () => {
  insertEarlier();
  await migrateToLatest(kysely);
  expect(all("select id, number, priority from evaluations order by number")).toEqual([
    ["z-first", 1, 44],
    ["direct", 2, 24],
    ["a-second", 3, 24],
  ]);
  expect(
    all(
      "select number, derivation_id, evaluation, job_name, is_job, status, weather, priority from project_builds order by number",
    ),
  ).toEqual([
    [1, 2, 1, "app.x86_64-linux", 1, 0, -1, 5],
    [3, 1, 1, "lib-1.x86_64-linux", 0, 0, -1, 5],
    [4, 3, 3, "app.x86_64-linux", 1, 3, 1, 25],
  ]);
  expect(
    all("select evaluation_number, name, build_number from jobs order by evaluation_id desc, name"),
  ).toEqual([
    [1, "app.x86_64-linux", 1],
    [1, "packages.x86_64-linux.app", 1],
    [null, null, null],
    [null, null, null],
    [3, "app.x86_64-linux", 4],
  ]);
  expect(all("select build, output, position from build_products order by number")).toEqual([
    [1, "out", 0],
    [1, "out", 1],
  ]);
});
