import type Sqlite from "better-sqlite3";
import { open } from "node:fs/promises";
import { Kysely, type DatabaseConnection } from "kysely";
import { Checkpoints } from "./checkpoints.ts";
import {
  cacheStatements,
  openConnection,
  OWN_CHECKPOINT_PAGES,
  prepareOn,
  type DatabaseOptions,
  type PreparedQuery,
  type SqlValue,
} from "./connection.ts";
import { DiskBarrier } from "./disk-barrier.ts";
import { MigratingDialect } from "./migrating-dialect.ts";
import { migrateToLatest, readSchema, requireSchema, type Schema } from "./migrator.ts";
import { addSqlFunctions } from "./sql-functions.ts";
import type { Tables } from "./tables.ts";
import { transact, type Transaction } from "./transact.ts";

export type { PreparedQuery, SqlValue, Transaction };

/** What a repository function needs: the database itself, or an open transaction. */
export type Queries = Kysely<Tables>;

export interface Database extends AsyncDisposable {
  /** Where it lies. */
  readonly file: string;
  /** The one writing connection. Statements and transactions take turns on it. */
  readonly kysely: Queries;
  /** Prepares a reading statement on a second connection: it sees what is committed and never waits for a transaction. Prepare once, not for each call. */
  prepare<Params extends readonly SqlValue[], Row>(sql: string): PreparedQuery<Params, Row>;
  /**
   * Runs `run` in one immediate transaction. It must wait for nothing but its own statements: everybody else's writes wait for it.
   * Others see it as soon as it is committed; when this resolves it is durable.
   */
  transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T>;
  /**
   * As `transaction`, but without waiting for the disk: after a power failure it may not have happened, if nothing durable came after it.
   * For what nobody was promised and what comes about again by itself, or for what is promised after `flushed`.
   */
  relaxedTransaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T>;
  /**
   * Runs `run` while nobody here writes: for a thread that writes on a connection of its own, as `relaxedTransaction` does. SQLite would have this thread sleep until the other
   * one is done.
   */
  turn<T>(run: () => Promise<T>): Promise<T>;
  /** Resolves when everything that is committed now is durable. Those who wait at the same time share one write to the disk. */
  flushed(): Promise<void>;
}

/** More assignments than can be made in relaxed transactions before a durable one follows. */
const SKIPPED_FENCING_NUMBERS = 1000;

/** After a power failure the last fencing numbers may be forgotten although workers have seen them: they must not come again. */
function skipFencingNumbers(connection: Sqlite.Database): void {
  const skip = connection.prepare(
    "update sqlite_sequence set seq = seq + ? where name = 'assignments'",
  );
  if (skip.run(SKIPPED_FENCING_NUMBERS).changes > 0) return;
  connection.prepare("insert into sqlite_sequence (name, seq) values ('assignments', 0)").run();
}

let newSchema: Promise<Schema> | undefined;

/** What the migrations make when there is nothing yet: the same for as long as the process lives. */
function schemaOfNewDatabase(): Promise<Schema> {
  newSchema ??= readNewSchema();
  return newSchema;
}

async function readNewSchema(): Promise<Schema> {
  const kysely = new Kysely<Tables>({
    dialect: new MigratingDialect({ database: cacheStatements(openConnection(":memory:", {})) }),
  });
  try {
    await migrateToLatest(kysely);
    return await readSchema(kysely);
  } finally {
    await kysely.destroy();
  }
}

/** The writing connection, with its tables up to date. */
async function openWriter(
  file: string,
  options: DatabaseOptions,
): Promise<{ writer: Sqlite.Database; kysely: Queries }> {
  const writer = openConnection(file, {});
  writer.pragma("journal_mode = WAL");
  writer.pragma("synchronous = FULL");
  const kysely = new Kysely<Tables>({
    dialect: new MigratingDialect({ database: cacheStatements(writer, options) }),
  });
  try {
    await migrateToLatest(kysely);
    requireSchema(await readSchema(kysely), await schemaOfNewDatabase());
    skipFencingNumbers(writer);
  } catch (error) {
    await kysely.destroy();
    throw error;
  }
  return { writer, kysely };
}

/** Opens the database file, makes it when it is missing, and brings its tables up to date. */
export async function openDatabase(file: string, options: DatabaseOptions = {}): Promise<Database> {
  const { writer, kysely } = await openWriter(file, options);
  const reader = openConnection(file, { readonly: true });
  addSqlFunctions(reader);
  // The log stays as long as a connection is open. Its locks lie in another file, so closing this handle takes none away.
  const log = await open(`${file}-wal`, "r+");
  const checkpoints = Checkpoints.arePossible && file !== ":memory:" ? new Checkpoints(file) : null;
  if (checkpoints !== null) writer.pragma(`wal_autocheckpoint = ${OWN_CHECKPOINT_PAGES}`);
  const barrier = new DiskBarrier(() => log.datasync());
  // The commit does not wait for the disk; the barrier does, once for all that were committed meanwhile, and outside of this thread.
  // The setting belongs to the connection, which nobody else uses until it is set back.
  const turn = async <T>(run: (connection: DatabaseConnection) => Promise<T>): Promise<T> => {
    await checkpoints?.room();
    return kysely.getExecutor().provideConnection(async (connection) => {
      try {
        return await run(connection);
      } finally {
        checkpoints?.committed();
      }
    });
  };
  const relaxed: Database["relaxedTransaction"] = (run) =>
    turn(async (connection) => {
      writer.exec("pragma synchronous = NORMAL");
      try {
        return await transact(connection, run);
      } finally {
        writer.exec("pragma synchronous = FULL");
      }
    });
  return {
    file,
    kysely,
    prepare: <Params extends readonly SqlValue[], Row>(sql: string) => {
      options.onStatement?.(sql);
      return prepareOn<Params, Row>(reader, sql);
    },
    transaction: async (run) => {
      const result = await relaxed(run);
      await barrier.passed();
      return result;
    },
    relaxedTransaction: relaxed,
    turn: (run) => turn(run),
    flushed: () => barrier.passed(),
    [Symbol.asyncDispose]: async () => {
      await barrier.passed();
      await log.close();
      await checkpoints?.end();
      reader.close();
      await kysely.destroy();
      await checkpoints?.[Symbol.asyncDispose]();
    },
  };
}
