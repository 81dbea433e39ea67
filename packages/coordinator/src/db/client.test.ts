import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { openDatabase, type Database } from "./client.ts";
import { DiskBarrier } from "./disk-barrier.ts";

let directory: string;
let database: Database;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "farm-db-"));
  database = await openDatabase(join(directory, "farm.sqlite"));
});

afterEach(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const commit = (id: string) => ({
  id,
  hash: "0".repeat(40),
  message: "",
  author_name: "",
  author_email: "",
  created_at: 0,
});

test("what was committed is there after the file is opened again", async () => {
  await database.kysely.insertInto("commits").values(commit("a")).execute();
  await database[Symbol.asyncDispose]();
  database = await openDatabase(join(directory, "farm.sqlite"));
  expect(await database.kysely.selectFrom("commits").select("id").execute()).toEqual([{ id: "a" }]);
});

test("a transaction that throws leaves nothing, and its callbacks do not run", async () => {
  const seen: string[] = [];
  const attempt = database.transaction(async (tx) => {
    tx.onCommit(() => seen.push("committed"));
    await tx.kysely.insertInto("commits").values(commit("a")).execute();
    throw new Error("no");
  });
  await expect(attempt).rejects.toThrow("no");
  expect(seen).toEqual([]);
  expect(await database.kysely.selectFrom("commits").select("id").execute()).toEqual([]);
});

test("a transaction that SQLite itself has rolled back tells why", async () => {
  await database.kysely.insertInto("commits").values(commit("a")).execute();
  const failing = database.transaction(async ({ kysely }) => {
    await kysely.insertInto("commits").values(commit("b")).execute();
    await sql`insert or rollback into commits select * from commits where id = 'a'`.execute(kysely);
  });
  await expect(failing).rejects.toThrow("UNIQUE constraint failed: commits.id");
  expect(await database.kysely.selectFrom("commits").select("id").execute()).toEqual([{ id: "a" }]);
});

test("what is left of a transaction that has ended cannot write into the next one", async () => {
  const ended = await database.transaction((tx) => Promise.resolve(tx));
  await database.transaction(async () => {
    const late = ended.kysely.insertInto("commits").values(commit("a")).execute();
    await expect(late).rejects.toThrow("the transaction has ended");
  });
  expect(await database.kysely.selectFrom("commits").select("id").execute()).toEqual([]);
});

test("callbacks run after the commit, in order, and a prepared query then sees what was written", async () => {
  const ids = database.prepare<[], { id: string }>("select id from commits");
  const seen: unknown[] = [];
  await database.transaction(async (tx) => {
    tx.onCommit(() => seen.push(ids.all()));
    tx.onCommit(() => seen.push("second"));
    await tx.kysely.insertInto("commits").values(commit("a")).execute();
    seen.push(ids.all());
  });
  expect(seen).toEqual([[], [{ id: "a" }], "second"]);
});

test("numbers of attempts and fencing numbers are never used twice", async () => {
  const add = () =>
    database.kysely
      .insertInto("evaluation_messages")
      .values({ evaluation_id: "e", level: "Notice", text: "", created_at: 0 })
      .returning("id")
      .executeTakeFirstOrThrow();
  await sql`pragma foreign_keys = off`.execute(database.kysely);
  const first = await add();
  await database.kysely.deleteFrom("evaluation_messages").execute();
  expect((await add()).id).toBeGreaterThan(first.id);
});

test("foreign keys are enforced and children go with their parent", async () => {
  const orphan = database.kysely
    .insertInto("organization_members")
    .values({ organization_id: "none", user_id: "none", role: "Admin" })
    .execute();
  await expect(orphan).rejects.toThrow("FOREIGN KEY");
});

describe("a file that this release cannot use is refused with one sentence", () => {
  async function reopened(statement: string): Promise<string> {
    await sql.raw(statement).execute(database.kysely);
    await database[Symbol.asyncDispose]();
    const file = join(directory, "farm.sqlite");
    const reason = await openDatabase(file).then(
      () => "opened",
      (error: unknown) => (error instanceof UserError ? error.message : "another error"),
    );
    await rm(file);
    database = await openDatabase(file);
    return reason;
  }

  test("of a newer release", async () => {
    const later = "insert into kysely_migration (name, timestamp) values ('9999-later', '')";
    expect(await reopened(later)).toMatch(/^it was written by a newer release .*9999-later/);
  });

  test("with tables of another shape", async () => {
    expect(await reopened("alter table builds add column mine text")).toMatch(
      /^it has 'builds.mine': it was written by a version that was never released/,
    );
  });

  test("of another program", async () => {
    expect(await reopened("drop table kysely_migration")).toBe(
      "it is not the database of a coordinator",
    );
  });
});

test("those who wait for the disk at the same time share one write, and nobody is let off by one that had begun before", async () => {
  const begun: (() => void)[] = [];
  const barrier = new DiskBarrier(() => new Promise((resolve) => begun.push(resolve)));
  const passed: string[] = [];
  const pass = (name: string): Promise<void> =>
    barrier.passed().then(() => {
      passed.push(name);
    });
  const first = pass("first");
  await expect.poll(() => begun.length).toBe(1);
  const others = [pass("second"), pass("third")];
  begun[0]?.();
  await first;
  expect(passed).toEqual(["first"]);
  await expect.poll(() => begun.length).toBe(2);
  begun[1]?.();
  await Promise.all(others);
  expect(begun).toHaveLength(2);
});

test("a write to the disk that fails is told to those who waited for it, and to nobody else", async () => {
  let writes = 0;
  const barrier = new DiskBarrier(() => {
    writes += 1;
    return writes === 1 ? Promise.reject(new Error("disk full")) : Promise.resolve();
  });
  await expect(barrier.passed()).rejects.toThrow("disk full");
  await barrier.passed();
});
