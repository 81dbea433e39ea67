import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase, type Database } from "./client.ts";
import { listed, reusable } from "./reusable-query.ts";

const COMMIT = { message: "", author_name: "", author_email: "", created_at: 0 };

async function databaseWith(...ids: readonly string[]): Promise<Database> {
  const directory = await mkdtemp(join(tmpdir(), "farm-db-"));
  const database = await openDatabase(join(directory, "farm.sqlite"));
  onTestFinished(async () => {
    await database[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  for (const id of ids)
    await database.kysely
      .insertInto("commits")
      .values({ ...COMMIT, id, hash: "0".repeat(40) })
      .execute();
  return database;
}

test("a query that is built once is run with other values each time, and keeps its own", async () => {
  const { kysely, relaxedTransaction } = await databaseWith("one", "two");
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
  await relaxedTransaction(async (tx) => {
    expect((await find(tx.kysely, 0, "two")).rows).toEqual([{ id: "two" }]);
  });
  expect(built).toBe(1);
});

test("one statement serves lists of any length, and one of its own rows with the same columns", async () => {
  const { kysely } = await databaseWith("one", "two", "three");
  const built: string[] = [];
  const change = reusable((db, ids: readonly string[], row: Partial<typeof COMMIT>) => {
    built.push(Object.keys(row).join());
    return db.updateTable("commits").set(row).where("id", "in", listed(ids)).returningAll();
  });
  expect((await change(kysely, [], { message: "a" })).rows).toEqual([]);
  expect((await change(kysely, ["one", "two"], { message: "b" })).rows).toMatchObject([
    { id: "one", message: "b" },
    { id: "two", message: "b" },
  ]);
  expect((await change(kysely, ["two"], { author_name: "c", created_at: 7 })).rows).toMatchObject([
    { id: "two", message: "b", author_name: "c", created_at: 7 },
  ]);
  expect(built).toEqual(["message", "author_name,created_at"]);
});

test("a statement may be written out, and take a list of objects", async () => {
  const { kysely } = await databaseWith("one", "two");
  const find = reusable(
    (_db, wanted: readonly { id: string; is: string }[]) => sql<{ id: string; is: string }>`
      select commits.id, w.value ->> 'is' as "is" from json_each(${wanted}) w
      join commits on commits.id = w.value ->> 'id' order by w.key`,
  );
  const wanted = [
    { id: "two", is: "the 'second'" },
    { id: "one", is: "" },
  ];
  expect((await find(kysely, wanted)).rows).toEqual(wanted);
});
