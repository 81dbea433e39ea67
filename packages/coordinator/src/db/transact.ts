import {
  CompiledQuery,
  DefaultQueryExecutor,
  DummyDriver,
  SqliteAdapter,
  SqliteDialect,
  SqliteQueryCompiler,
  Transaction as KyselyTransaction,
  type DatabaseConnection,
  type QueryResult,
} from "kysely";
import type { Tables } from "./tables.ts";

/** An open transaction. All its statements go through `kysely`; a statement on the database itself would wait for the transaction to end. */
export interface Transaction {
  readonly kysely: KyselyTransaction<Tables>;
  /** Runs after the commit, in order of registration; not at all when the transaction is rolled back. Must not throw. */
  onCommit(callback: () => void): void;
}

const COMPILER = new SqliteQueryCompiler();
const ADAPTER = new SqliteAdapter();
const BEGIN = CompiledQuery.raw("begin");
const COMMIT = CompiledQuery.raw("commit");
const ROLLBACK = CompiledQuery.raw("rollback");

/** Runs `run` in a transaction on the connection, which nobody else uses meanwhile. */
export async function transact<T>(
  connection: DatabaseConnection,
  run: (tx: Transaction) => Promise<T>,
): Promise<T> {
  using executor = new TransactionExecutor(connection);
  const callbacks: (() => void)[] = [];
  const tx: Transaction = {
    kysely: new KyselyTransaction({ ...WITHOUT_CONNECTIONS, executor }),
    onCommit: (callback) => void callbacks.push(callback),
  };
  await connection.executeQuery(BEGIN);
  let result: T;
  try {
    result = await run(tx);
    await connection.executeQuery(COMMIT);
  } catch (error) {
    await rollBack(connection);
    throw error;
  }
  for (const callback of callbacks) callback();
  return result;
}

/** SQLite may have done so by itself, as on a full disk, and then refuses: why the transaction failed is what has to be told. */
async function rollBack(connection: DatabaseConnection): Promise<void> {
  try {
    await connection.executeQuery(ROLLBACK);
  } catch {
    // One that was still open would be refused at the next "begin".
  }
}

/**
 * Runs statements straight on the connection that the transaction holds. Kysely by itself takes turns for the connection with each of them, in a row of promises that
 * costs more than a small statement.
 */
class TransactionExecutor extends DefaultQueryExecutor implements Disposable {
  #connection: DatabaseConnection | null;

  constructor(connection: DatabaseConnection) {
    super(COMPILER, ADAPTER, { provideConnection: (run) => run(this.#held()) });
    this.#connection = connection;
  }

  override async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return await this.#held().executeQuery<R>(query);
  }

  #held(): DatabaseConnection {
    if (this.#connection === null) throw new Error("the transaction has ended");
    return this.#connection;
  }

  /** Others have the connection from now on. */
  [Symbol.dispose](): void {
    this.#connection = null;
  }
}

/** What kysely wants besides: a transaction makes no connections. */
const dialect = new SqliteDialect({ database: () => Promise.reject(new Error("no database")) });
const WITHOUT_CONNECTIONS = { config: { dialect }, dialect, driver: new DummyDriver() };
