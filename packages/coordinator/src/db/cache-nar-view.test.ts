import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { listNars } from "./cache-nar-view.ts";
import { openDatabase, type SqlValue } from "./client.ts";

test("a part of a name is looked for in the index of names alone", async () => {
  const directory = await mkdtemp(join(tmpdir(), "nars-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const statements: string[] = [];
  const onStatement = (sql: string): void => void statements.push(sql);
  await using database = await openDatabase(join(directory, "farm.sqlite"), { onStatement });
  await listNars(database.kysely, "a cache", {
    hashPrefix: null,
    packageText: "zlib",
    sort: "created_at",
    order: "desc",
    page: { page: 1, perPage: 50 },
  });
  const search = statements.find((sql) => sql.includes("instr("));
  const explain = database.prepare<SqlValue[], { detail: string }>(`explain query plan ${search}`);
  expect(explain.all("zlib", "a cache", 1).map(({ detail }) => detail)).toEqual([
    "SEARCH p USING COVERING INDEX cache_paths_by_name (cache_number=?)",
    "SCALAR SUBQUERY 1",
    "SEARCH caches USING INDEX sqlite_autoindex_caches_1 (id=?)",
  ]);
});
