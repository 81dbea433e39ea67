import { SqliteError } from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import type { Database } from "./client.ts";
import { cacheStatements, openConnection, OWN_CHECKPOINT_PAGES, prepareOn } from "./connection.ts";
import type { Tables } from "./tables.ts";

/** What a thread does with it. */
export type ThreadDatabase = Pick<Database, "kysely" | "prepare">;

/**
 * Runs `run` with a connection for a thread that goes over everything: it reads on it as it likes, and writes while the main thread has its turn for it (`Database.turn`). What is
 * committed is durable as with `relaxedTransaction`. Of SQLite's own errors only the code would get out of a thread, so they are thrown as plain ones.
 * `cacheKb`: kilobytes of pages that it keeps until somebody else writes. The process gives hardly anything of them back.
 */
export async function withThreadDatabase<T>(
  { file, cacheKb }: ThreadDatabaseOptions,
  run: (database: ThreadDatabase) => Promise<T>,
): Promise<T> {
  try {
    await using database = openThreadDatabase(file, cacheKb);
    return await run(database);
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new Error(`database ${file}: ${error.message} (${error.code})`);
  }
}

interface ThreadDatabaseOptions {
  readonly file: string;
  readonly cacheKb: number;
}

function openThreadDatabase(file: string, cacheKb: number): ThreadDatabase & AsyncDisposable {
  const connection = openConnection(file, {});
  connection.pragma("synchronous = NORMAL");
  connection.pragma(`cache_size = -${cacheKb}`);
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
