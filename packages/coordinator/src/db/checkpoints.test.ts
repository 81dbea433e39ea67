import { execFile } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Sqlite from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { Checkpoints } from "./checkpoints.ts";
import { openDatabase, type Database } from "./client.ts";
import { WriteAheadLog } from "./write-ahead-log.ts";

const PAGE = 4096;
const TEXT = "x".repeat(PAGE * 50);

async function opened(): Promise<{ file: string; database: Database; log: WriteAheadLog }> {
  const directory = await mkdtemp(join(tmpdir(), "farm-log-"));
  const file = join(directory, "farm.sqlite");
  const database = await openDatabase(file);
  const log = new WriteAheadLog(file);
  onTestFinished(async () => {
    await database[Symbol.asyncDispose]();
    log[Symbol.dispose]();
    await rm(directory, { recursive: true });
  });
  return { file, database, log };
}

async function write(database: Database, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n += 1) {
    await database.relaxedTransaction(async ({ kysely }) => {
      const row = { id: String(n), hash: "0".repeat(40), message: TEXT };
      const rest = { author_name: "", author_email: "", created_at: 0 };
      await kysely
        .insertInto("commits")
        .values({ ...row, ...rest })
        .execute();
    });
  }
}

test("how long the log is agrees with what SQLite says", async () => {
  const { file, database, log } = await opened();
  await write(database, 0, 5);
  const connection = new Sqlite(file);
  const [{ log: written, checkpointed: copied } = { log: 0, checkpointed: 0 }] = connection.pragma(
    "wal_checkpoint(PASSIVE)",
  ) as { log: number; checkpointed: number }[];
  expect(written).toBeGreaterThan(250);
  expect(log.pages()).toEqual({ written, copied });
  connection.close();
});

describe.skipIf(!Checkpoints.arePossible)("the log of a database that is written to", () => {
  test("does not grow for as long as somebody writes, and all is there afterwards", async () => {
    const { file, database } = await opened();
    // 48 MB, more than the log may hold before it begins anew.
    await write(database, 0, 240);
    expect((await stat(`${file}-wal`)).size).toBeLessThan(36 * 1024 * 1024);
    const count = database.prepare<[], { rows: number }>("select count(*) as rows from commits");
    expect(count.get()).toEqual({ rows: 240 });
    const connection = new Sqlite(file, { readonly: true });
    expect(connection.pragma("integrity_check", { simple: true })).toBe("ok");
    connection.close();
  });

  test("may be closed while it is copied", async () => {
    const directory = await mkdtemp(join(tmpdir(), "farm-log-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, "farm.sqlite");
    const database = await openDatabase(file);
    await write(database, 0, 30);
    await database[Symbol.asyncDispose]();
    const again = await openDatabase(file);
    const rows = again.prepare<[], { rows: number }>("select count(*) as rows from commits").get();
    expect(rows).toEqual({ rows: 30 });
    await again[Symbol.asyncDispose]();
  });

  test("is copied before a process ends that has nothing else to do", async () => {
    const directory = await mkdtemp(join(tmpdir(), "farm-log-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const compiled = new URL("../../dist/db/client.js", import.meta.url).href;
    // A command of the coordinator, beside one that has written much.
    const program = `
      import { openDatabase } from ${JSON.stringify(compiled)};
      const database = await openDatabase(process.argv[1]);
      await database.relaxedTransaction(({ kysely }) => kysely.insertInto("commits").values({
        id: "1", hash: "0".repeat(40), message: "x".repeat(${PAGE * 1500}), author_name: "", author_email: "", created_at: 0,
      }).execute());
      await database[Symbol.asyncDispose]();
      console.log("closed");`;
    const args = ["--input-type=module", "--eval", program, join(directory, "farm.sqlite")];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).toBe("closed\n");
  });
});
