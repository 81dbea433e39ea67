import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase } from "./client.ts";
import { reusable } from "./reusable-query.ts";

test("a query that is built once is run with other values each time, and keeps its own", async () => {
  const directory = await mkdtemp(join(tmpdir(), "farm-db-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  await using database = await openDatabase(join(directory, "farm.sqlite"));
  const { kysely } = database;
  const commit = { message: "", author_name: "", author_email: "", created_at: 0 };
  for (const id of ["one", "two"])
    await kysely
      .insertInto("commits")
      .values({ ...commit, id, hash: "0".repeat(40) })
      .execute();
  let built = 0;
  const find = reusable((db, createdAt: number, id: string) => {
    built += 1;
    return db
      .selectFrom("commits")
      .select("id")
      .where("created_at", ">=", createdAt)
      .where("message", "=", "")
      .where("id", "=", id);
  });
  expect((await find(kysely, 0, "one")).rows).toEqual([{ id: "one" }]);
  expect((await find(kysely, 0, "two")).rows).toEqual([{ id: "two" }]);
  expect((await find(kysely, 1, "two")).rows).toEqual([]);
  await kysely.transaction().execute(async (tx) => {
    expect((await find(tx, 0, "two")).rows).toEqual([{ id: "two" }]);
  });
  expect(built).toBe(1);
});
