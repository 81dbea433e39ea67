import { SqliteError } from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import type { Database } from "./client.ts";
import { cacheStatements, openConnection, OWN_CHECKPOINT_PAGES, prepareOn } from "./connection.ts";
import type { Tables } from "./tables.ts";

/** Kilobytes: a thread of its own reads much, and keeps what it has read until somebody else writes. */
const CACHE_KB = 64_000;

/** What a thread does with it. */
export type ThreadDatabase = Pick<Database, "kysely" | "prepare">;

/**
 * Runs `run` with a connection for a thread that goes over everything: it reads on it as it likes, and writes while the main thread has its turn for it (`Database.turn`). What is
 * committed is durable as with `relaxedTransaction`. Of SQLite's own errors only the code would get out of a thread, so they are thrown as plain ones.
 */
export async function withThreadDatabase<T>(
  file: string,
  run: (database: ThreadDatabase) => Promise<T>,
): Promise<T> {
  try {
    await using database = openThreadDatabase(file);
    return await run(database);
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new Error(`database ${file}: ${error.message} (${error.code})`);
  }
}

function openThreadDatabase(file: string): ThreadDatabase & AsyncDisposable {
  const connection = openConnection(file, {});
  connection.pragma("synchronous = NORMAL");
  connection.pragma(`cache_size = -${CACHE_KB}`);
  connection.pragma(`wal_autocheckpoint = ${OWN_CHECKPOINT_PAGES}`);
  const kysely = new Kysely<Tables>({
    dialect: new SqliteDialect({ database: cacheStatements(connection) }),
  });
  return {
    kysely,
    prepare: (sql) => prepareOn(connection, sql),
    [Symbol.asyncDispose]: () => kysely.destroy(),
  };
}
