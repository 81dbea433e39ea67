import Sqlite from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { expect, test } from "vitest";
import * as first from "./migrations/0001-first.ts";
import * as cacheKeys from "./migrations/0013-cache-keys.ts";

test("the key of a cache of earlier releases goes on signing, sealed as it was", async () => {
  const sqlite = new Sqlite(":memory:");
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  await first.up(db);
  sqlite.exec(`
    insert into caches values ('c', 'main', 'Main', '', 1, 40, null, 1, 'host-main', 'public', 'sealed', 0, 0, 'u', 7);
  `);
  await cacheKeys.up(db);
  expect(sqlite.prepare("select * from cache_keys").all()).toEqual([
    {
      id: "c",
      cache_id: "c",
      key_name: "host-main",
      public_key: "public",
      private_key: "sealed",
      state: "active",
      is_complete: 1,
      created_at: 7,
    },
  ]);
  expect(
    sqlite.prepare("select name, max_storage_gb as gb, created_by as by from caches").get(),
  ).toEqual({ name: "main", gb: 0, by: "u" });
  await db.destroy();
});
