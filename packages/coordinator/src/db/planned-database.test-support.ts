import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { openDatabase, type Database } from "./client.ts";
import { addSqlFunctions } from "./sql-functions.ts";

/** Hold what is going on now, or what people have made by hand. */
const SMALL_TABLES = new Set(["assignments", "organizations", "caches", "workers"]);

/** To run all migrations takes longer than most tests do. */
let emptyDatabase: Promise<Buffer> | undefined;

async function makeEmptyDatabase(): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "farm-empty-"));
  try {
    const file = join(directory, "farm.sqlite");
    await (await openDatabase(file))[Symbol.asyncDispose]();
    return await readFile(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/**
 * A database that, when it is closed, throws if one of the statements that went through it reads a whole table: with a million builds
 * it would take seconds. Rows that a `limit` cuts off in the order of an index are not the whole.
 */
export async function openPlannedDatabase(file: string): Promise<Database> {
  emptyDatabase ??= makeEmptyDatabase();
  if (!existsSync(file)) await writeFile(file, await emptyDatabase);
  const statements = new Set<string>();
  const onStatement = (sql: string): void => {
    if (isOurs()) statements.add(sql);
  };
  const database = await openDatabase(file, { onStatement });
  // Migrations may take their time.
  statements.clear();
  const check = (): void => {
    const connection = new Sqlite(file, { readonly: true });
    addSqlFunctions(connection);
    try {
      const scans = [...statements].flatMap((sql) => scansOf(connection, sql));
      if (scans.length > 0)
        throw new Error(`statements that read whole tables:\n${scans.join("\n")}`);
    } finally {
      connection.close();
    }
  };
  return {
    ...database,
    [Symbol.asyncDispose]: async () => {
      try {
        check();
      } finally {
        await database[Symbol.asyncDispose]();
      }
    },
  };
}

/** Whether the statement comes from the product: tests may read what they like, and an export reads all. */
function isOurs(): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 60;
  const { stack = "" } = new Error("where from");
  Error.stackTraceLimit = stackTraceLimit;
  const from = stack
    .split("\n")
    .find(
      (line) =>
        line.includes("/coordinator/src/") &&
        !/db\/(?:client|connection|planned|transact)/.test(line),
    );
  return from !== undefined && !/\.test(?:-support)?\.ts|db\/state-view\.ts/.test(from);
}

/** What of the statement's plan reads a whole table that may be large. */
export function scansOf(connection: Sqlite.Database, sql: string): string[] {
  if (!/^\s*(?:select|insert|update|delete|with)\b/i.test(sql)) return [];
  const parameters = Array.from(sql.matchAll(/\?/g), () => null);
  const plan = connection
    .prepare<null[], { detail: string }>(`explain query plan ${sql}`)
    .all(...parameters);
  return plan.flatMap(({ detail }) => {
    if (readsWholeCache(sql, detail)) return [`${detail} (all paths of a cache): ${sql}`];
    const [, name, index] = /^SCAN (\S+)(?: (USING .*INDEX .*))?$/.exec(detail) ?? [];
    if (name === undefined) return [];
    const table = tableOf(sql, name);
    if (!isTable(connection, table) || SMALL_TABLES.has(table)) return [];
    if (index !== undefined && (/\blimit\b/i.test(sql) || isPartial(connection, index))) return [];
    return [`${detail} (${table}): ${sql}`];
  });
}

/** Of paths nothing is known but their cache: a cache may have a million. In the order of an index a `limit` cuts them off; to look through an index alone is what a search for a part of a name is. */
function readsWholeCache(sql: string, detail: string): boolean {
  const [, name] = /^SEARCH (\S+) USING INDEX \S+ \(cache_id=\?\)$/.exec(detail) ?? [];
  if (name === undefined || tableOf(sql, name) !== "cache_paths") return false;
  // What is done to a cache is done to its paths.
  return /^\s*(?:select|with)\b/i.test(sql) && !/\border by\b/i.test(sql);
}

/** An index of some rows only, which are few. */
function isPartial(connection: Sqlite.Database, using: string): boolean {
  const name = using.split(" ").at(-1);
  const find = connection.prepare<[string | undefined], { sql: string | null }>(
    "select sql from sqlite_master where type = 'index' and name = ?",
  );
  return / where /i.test(find.get(name)?.sql ?? "");
}

/** The table behind an alias. */
function tableOf(sql: string, name: string): string {
  const alias = new RegExp(
    String.raw`(?:from|join|update|into) "?(\w+)"? (?:as )?"?${name}"?\b`,
    "i",
  ).exec(sql);
  return alias?.[1] ?? name;
}

function isTable(connection: Sqlite.Database, name: string): boolean {
  const find = connection.prepare("select 1 from sqlite_master where type = 'table' and name = ?");
  return find.get(name) !== undefined;
}
