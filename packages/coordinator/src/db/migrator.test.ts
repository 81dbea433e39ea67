import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Sqlite from "better-sqlite3";
import { Kysely } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { threadEntry } from "../thread-entry.ts";
import { openDatabase } from "./client.ts";
import { MigratingDialect } from "./migrating-dialect.ts";
import { migrateTo, migrationNames } from "./migrator.ts";

/** A database as an earlier release left it. */
async function earlierDatabase(release: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "farm-migrations-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "farm.sqlite");
  const connection = new Sqlite(file);
  connection.pragma("journal_mode = WAL");
  connection.pragma("synchronous = OFF");
  const kysely = new Kysely({ dialect: new MigratingDialect({ database: connection }) });
  await migrateTo(kysely, release);
  await kysely.destroy();
  return file;
}

/** What lies in the database: its tables and the migrations that it has. */
function contentOf(file: string): unknown[] {
  const connection = new Sqlite(file);
  try {
    return connection
      .prepare("select sql as text from sqlite_master union all select name from kysely_migration")
      .all();
  } finally {
    connection.close();
  }
}

async function openAndClose(file: string): Promise<void> {
  const database = await openDatabase(file);
  await database[Symbol.asyncDispose]();
}

/** Is prepared in 0018, after all of 0014 and much of 0018 was done. */
const LATE_STATEMENT = "create index evaluation_builds_in_order";

describe("an upgrade that does not come to its end leaves the database to the release before", () => {
  test("when a statement fails", async () => {
    const file = await earlierDatabase("0013-cache-keys");
    const connection = new Sqlite(file);
    connection.exec("create index evaluation_builds_in_order on evaluation_builds (id)");
    const before = contentOf(file);
    await expect(openDatabase(file)).rejects.toThrow("evaluation_builds_in_order already exists");
    expect(contentOf(file)).toEqual(before);
    connection.exec("drop index evaluation_builds_in_order");
    connection.close();
    await openAndClose(file);
  });

  test("when the process is killed", async () => {
    const file = await earlierDatabase("0013-cache-keys");
    const before = contentOf(file);
    const program = `
      const { openDatabase } = await import(${JSON.stringify(threadEntry("db/client.js").href)});
      await openDatabase(${JSON.stringify(file)}, {
        onStatement: (sql) => {
          if (sql.includes(${JSON.stringify(LATE_STATEMENT)})) process.kill(process.pid, "SIGKILL");
        },
      });
    `;
    const node = promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
    await expect(node).rejects.toMatchObject({ signal: "SIGKILL" });
    expect(contentOf(file)).toEqual(before);
    await openAndClose(file);
  });
});

test.each(migrationNames())(
  "a database that was made up to %s is brought up to date",
  async (release) => {
    const file = await earlierDatabase(release);
    await openAndClose(file);
    const connection = new Sqlite(file, { readonly: true });
    expect(connection.pragma("foreign_key_check")).toEqual([]);
    connection.close();
  },
);
