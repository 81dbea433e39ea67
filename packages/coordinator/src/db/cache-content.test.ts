import Sqlite from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { expect, test } from "vitest";
import { listNars } from "./cache-nar-view.ts";
import * as first from "./migrations/0001-first.ts";
import * as transfers from "./migrations/0002-transfers.ts";
import * as cacheContent from "./migrations/0010-cache-content.ts";
import * as garbageCollection from "./migrations/0012-garbage-collection.ts";
import * as namesOfPaths from "./migrations/0027-names-of-paths.ts";
import * as smallNameIndex from "./migrations/0038-small-name-index.ts";
import * as waitingFiles from "./migrations/0035-waiting-files.ts";
import * as documentBytes from "./migrations/0037-document-bytes.ts";
import type { Tables } from "./tables.ts";

const hash = (letter: string): string => letter.repeat(32);

test("paths of earlier releases are counted, and what they refer to is known", async () => {
  const sqlite = new Sqlite(":memory:");
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  await first.up(db);
  await transfers.up(db);
  sqlite.exec(`
    insert into caches values ('c', 'c', 'c', '', 1, 40, null, 1, 'k', 'k', 'k', 0, 0, 'u', 1);
    insert into nar_objects values ('n', 100, 'f', 40, 'zstd', '[]', 1), ('m', 10, 'g', 4, 'zstd', '[]', 1);
  `);
  const add = sqlite.prepare(
    `insert into cache_paths (cache_id, hash_part, path, nar_hash, references_json, signatures_json, created_at)
     values ('c', ?, ?, ?, ?, '[]', 1)`,
  );
  const [a, b, d] = [hash("a"), hash("b"), hash("d")];
  add.run(a, `${a}-lib`, "n", "[]");
  add.run(b, `${b}-app`, "m", JSON.stringify([`${a}-lib`, `${b}-app`]));
  add.run(d, `${d}-damaged`, "m", "{");
  await cacheContent.up(db);
  const references = () =>
    sqlite.prepare("select reference, referrer from cache_path_references").all();
  const totals = () =>
    sqlite.prepare("select paths, nar_bytes, file_bytes from cache_totals").get();
  expect(references()).toEqual([{ reference: a, referrer: b }]);
  expect(totals()).toEqual({ paths: 3, nar_bytes: 120, file_bytes: 48 });
  expect(sqlite.prepare("select sum(nar_size) as size from cache_paths").get()).toEqual({
    size: 120,
  });
  sqlite.prepare("delete from cache_paths where hash_part in (?, ?)").run(b, d);
  expect(references()).toEqual([]);
  expect(totals()).toEqual({ paths: 1, nar_bytes: 100, file_bytes: 40 });
  await db.destroy();
});

test("paths of earlier releases are found by their names, and know how large their files are, also when those change", async () => {
  const sqlite = new Sqlite(":memory:");
  const dialect = new SqliteDialect({ database: sqlite });
  const db = new Kysely<unknown>({ dialect });
  for (const { up } of [first, transfers, cacheContent, namesOfPaths]) await up(db);
  sqlite.exec(`
    insert into caches values ('c', 'c', 'c', '', 1, 40, null, 1, 'k', 'k', 'k', 0, 0, 'u', 1);
    insert into caches values ('e', 'e', 'e', '', 1, 40, null, 1, 'k', 'k', 'k', 0, 0, 'u', 1);
    insert into nar_objects values ('n', 100, 'f', 40, 'zstd', '[]', 1);
  `);
  const show = sqlite.prepare(
    `insert into cache_paths (cache_id, hash_part, path, nar_hash, nar_size, references_json, signatures_json, created_at)
     values (?, ?, ?, 'n', 100, '[]', '[]', 1)`,
  );
  const [a, b] = [hash("a"), hash("b")];
  show.run("c", a, `${a}-Lib`);
  show.run("e", a, `${a}-Lib`);
  show.run("e", b, `${b}-app`);
  await smallNameIndex.up(db);
  const found = (cache: string) =>
    listNars(new Kysely<Tables>({ dialect }), cache, {
      hashPrefix: null,
      packageText: "lib",
      sort: "created_at",
      order: "desc",
      page: { page: 1, perPage: 50 },
    });
  const shown = { hash: a, path: `${a}-Lib`, narSize: 100, createdAt: 1, lastFetchedAt: null };
  expect(await found("c")).toEqual({ items: [{ ...shown, fileSize: 40 }], total: 1 });
  sqlite.exec("update nar_objects set file_size = 30");
  expect(await found("e")).toEqual({ items: [{ ...shown, fileSize: 30 }], total: 1 });
  await db.destroy();
});

test("files of earlier releases that no path has shown are counted until one does, or they go", async () => {
  const sqlite = new Sqlite(":memory:");
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  await first.up(db);
  await transfers.up(db);
  await cacheContent.up(db);
  sqlite.exec(`
    insert into caches values ('c', 'c', 'c', '', 1, 40, null, 1, 'k', 'k', 'k', 0, 0, 'u', 1);
    insert into caches values ('e', 'e', 'e', '', 1, 40, null, 1, 'k', 'k', 'k', 0, 0, 'u', 1);
    insert into nar_objects values ('n', 100, 'f', 40, 'zstd', '[]', 1), ('m', 10, 'g', 4, 'zstd', '[]', 1);
  `);
  const show = sqlite.prepare(
    `insert into cache_paths (cache_id, hash_part, path, nar_hash, references_json, signatures_json, created_at)
     values ('c', ?, ?, ?, '[]', '[]', 1)`,
  );
  const [a, b] = [hash("a"), hash("b")];
  show.run(a, `${a}-lib`, "n");
  sqlite.exec(`
    insert into cache_nar_files (cache_id, file_hash, compression, file_size, nar_hash, created_at)
    values ('c', 'f', 'zstd', 40, 'n', 1), ('c', 'g', 'zstd', 4, 'm', 1),
      ('c', 'h', 'xz', 3, 'm', 1), ('e', 'g', 'zstd', 4, 'm', 1);
  `);
  await waitingFiles.up(db);
  const waiting = () =>
    sqlite.prepare("select waiting_bytes from cache_totals order by cache_id").pluck().all();
  expect(waiting()).toEqual([7, 4]);
  show.run(b, `${b}-app`, "m");
  expect(waiting()).toEqual([0, 4]);
  sqlite.exec("delete from cache_nar_files");
  expect(waiting()).toEqual([0, 0]);
  await db.destroy();
});

test("what lies beside the paths is counted, that of earlier releases as well, until it or its cache goes", async () => {
  const sqlite = new Sqlite(":memory:");
  sqlite.pragma("foreign_keys = ON");
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  for (const { up } of [first, transfers, cacheContent, garbageCollection, waitingFiles]) {
    await up(db);
  }
  sqlite.exec(`
    insert into caches values ('c', 'c', 'c', '', 1, 40, null, 1, 'k', 'k', 'k', 0, 0, 'u', 1);
    insert into caches values ('e', 'e', 'e', '', 1, 40, null, 1, 'k', 'k', 'k', 0, 0, 'u', 1);
    insert into nar_objects values ('n', 100, 'f', 40, 'zstd', '[]', 1);
    insert into cache_paths (cache_id, hash_part, path, nar_hash, references_json, signatures_json, created_at)
    values ('e', '${hash("a")}', '${hash("a")}-lib', 'n', '[]', '[]', 1);
  `);
  const put = sqlite.prepare(
    `insert into cache_documents values (?, ?, ?, 1)
     on conflict (cache_id, name) do update set body = excluded.body`,
  );
  put.run("c", "log/a", Buffer.alloc(3));
  put.run("e", "log/a", Buffer.alloc(5));
  await documentBytes.up(db);
  const documents = () =>
    sqlite.prepare("select document_bytes from cache_totals order by cache_id").pluck().all();
  const stored = (table: string) =>
    sqlite.prepare(`select sum(stored_bytes) from ${table}`).pluck().get();
  expect([documents(), stored("cache_totals"), stored("nar_totals")]).toEqual([[3, 5], 48, 48]);
  put.run("c", "log/b", Buffer.alloc(7));
  put.run("c", "log/a", Buffer.alloc(1));
  expect([documents(), stored("nar_totals")]).toEqual([[8, 5], 53]);
  sqlite.exec("delete from cache_documents where name = 'log/b'");
  expect([documents(), stored("nar_totals")]).toEqual([[1, 5], 46]);
  sqlite.exec("delete from caches where id = 'e'");
  expect([documents(), stored("nar_totals")]).toEqual([[1], 41]);
  await db.destroy();
});
