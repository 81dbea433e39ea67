import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { openPlannedDatabase, scansOf } from "./planned-database.test-support.ts";

test("a statement that reads a whole table is found, one that follows an index is not", async () => {
  const directory = await mkdtemp(join(tmpdir(), "plans-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, "farm.sqlite");
  await using _database = await openPlannedDatabase(file);
  const connection = new Sqlite(file, { readonly: true });
  const scans = (sql: string) => scansOf(connection, sql).length;
  expect(scans("select * from builds as b where b.message = ?")).toBe(1);
  expect(scans("select count(*) from builds")).toBe(1);
  expect(scans("update attempts set status = ? where message = ?")).toBe(1);
  expect(scans("delete from derivations where name = ?")).toBeGreaterThan(0);
  expect(scans("select * from builds where id = ?")).toBe(0);
  expect(scans("select * from evaluations where project_id = ? order by created_at")).toBe(0);
  expect(scans("select * from cache_paths p where p.cache_id = ? and p.fetch_count = 0")).toBe(1);
  expect(scans("select * from cache_paths p where p.cache_id = ? and p.hash_part = ?")).toBe(0);
  connection.close();
});
