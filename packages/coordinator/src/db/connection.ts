import Sqlite from "better-sqlite3";
import type { SqliteDatabase } from "kysely";

const BUSY_TIMEOUT_MS = 5000;
const STATEMENT_CACHE_SIZE = 1000;
/** Pages of the log that a connection copies itself, on the writer's own time, as the last resort: nobody has copied for long. */
export const OWN_CHECKPOINT_PAGES = 32_000;

/** Values that a prepared query takes. */
export type SqlValue = string | number | null;

/** A statement that is prepared once and read synchronously, for the paths where a query builder costs too much. */
export interface PreparedQuery<Params extends readonly SqlValue[], Row> {
  get(...params: Params): Row | undefined;
  all(...params: Params): Row[];
}

export interface DatabaseOptions {
  /** Is told each statement when it is prepared. */
  onStatement?: (sql: string) => void;
}

/** Keeps statements prepared, and starts transactions with the write lock held, so that no transaction fails in its middle because another process wrote. */
export function cacheStatements(
  connection: Sqlite.Database,
  { onStatement }: DatabaseOptions = {},
): SqliteDatabase {
  const statements = new Map<string, Sqlite.Statement>();
  return {
    close: () => {
      connection.close();
    },
    prepare: (sql) => {
      let statement = statements.get(sql);
      if (statement !== undefined) return statement;
      onStatement?.(sql);
      statement = connection.prepare(sql === "begin" ? "begin immediate" : sql);
      if (statements.size >= STATEMENT_CACHE_SIZE) statements.clear();
      statements.set(sql, statement);
      return statement;
    },
  };
}

/** Waits up to five seconds for whoever writes. Of its 16 MB of pages each connection has its own: with 8 MB lists of 1,000 builds take a quarter longer. */
export function openConnection(file: string, options: Sqlite.Options): Sqlite.Database {
  const connection = new Sqlite(file, { ...options, timeout: BUSY_TIMEOUT_MS });
  connection.pragma("foreign_keys = ON");
  connection.pragma("temp_store = MEMORY");
  connection.pragma("cache_size = -16000");
  return connection;
}

/** What it reads is what is committed, and in a transaction of this connection what that has written. */
export function prepareOn<Params extends readonly SqlValue[], Row>(
  connection: Sqlite.Database,
  sql: string,
): PreparedQuery<Params, Row> {
  const statement = connection.prepare<SqlValue[], Row>(sql);
  return {
    get: (...params) => statement.get(...params),
    all: (...params) => statement.all(...params),
  };
}
