import Sqlite from "better-sqlite3";

/**
 * Holds a file for this process alone; null when another process holds it. The operating system gives it back when the process ends,
 * however it ends: the lock is SQLite's own on an empty database.
 */
export function lockFile(file: string): Disposable | null {
  const connection = new Sqlite(file, { timeout: 0 });
  try {
    connection.pragma("journal_mode = MEMORY");
    connection.exec("begin exclusive");
  } catch (error) {
    connection.close();
    if (error instanceof Sqlite.SqliteError && error.code.startsWith("SQLITE_BUSY")) return null;
    throw error;
  }
  return { [Symbol.dispose]: () => connection.close() };
}
