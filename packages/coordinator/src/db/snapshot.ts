import Sqlite from "better-sqlite3";

/** More pages than any database has: they are copied in one step, under one read lock, so that nobody who writes makes it begin again. */
const ALL_PAGES = 0x7fff_ffff;

/** Copies a database, also while others write to it, into a file that stands by itself. */
export async function writeSnapshot(file: string, target: string): Promise<void> {
  const source = new Sqlite(file, { readonly: true, fileMustExist: true });
  try {
    await source.backup(target, { progress: () => ALL_PAGES });
  } finally {
    source.close();
  }
  const copy = new Sqlite(target);
  try {
    // Without a log of its own it is one file, which can be carried away.
    copy.pragma("journal_mode = DELETE");
  } finally {
    copy.close();
  }
}

export interface SnapshotNar {
  readonly narHash: string;
  readonly fileSize: number;
}

/** Reads a database that nobody writes. */
export class Snapshot implements Disposable {
  readonly #connection: Sqlite.Database;
  readonly #findNar: Sqlite.Statement<[string]>;
  readonly #findAttempt: Sqlite.Statement<[number]>;

  constructor(file: string) {
    this.#connection = new Sqlite(file, { readonly: true, fileMustExist: true });
    this.#findNar = this.#connection.prepare("select 1 from nar_objects where nar_hash = ?");
    this.#findAttempt = this.#connection.prepare("select 1 from attempts where number = ?");
  }

  /** Every NAR that is stored, in the order of the hashes. */
  nars(): IterableIterator<SnapshotNar> {
    return this.#connection
      .prepare<[], SnapshotNar>(
        'select nar_hash as "narHash", file_size as "fileSize" from nar_objects order by nar_hash',
      )
      .iterate();
  }

  hasNar(narHash: string): boolean {
    return this.#findNar.get(narHash) !== undefined;
  }

  hasAttempt(number: number): boolean {
    return this.#findAttempt.get(number) !== undefined;
  }

  /** How many rows each table has. */
  countRows(): Record<string, number> {
    const tables = this.#connection
      .prepare<[], { name: string }>(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name",
      )
      .all();
    const counts = tables.map(({ name }) => {
      const row = this.#connection
        .prepare<[], { rows: number }>(`select count(*) as rows from "${name}"`)
        .get();
      return [name, row?.rows ?? 0] as const;
    });
    return Object.fromEntries(counts);
  }

  /** What SQLite finds wrong; empty when it is whole. */
  findDamage(): string[] {
    const rows = this.#connection
      .prepare<[], { integrity_check: string }>("pragma integrity_check(20)")
      .all();
    return rows.map((row) => row.integrity_check).filter((text) => text !== "ok");
  }

  /** Migrations that it has, oldest first. */
  migrations(): string[] {
    return this.#connection
      .prepare<[], { name: string }>("select name from kysely_migration order by name")
      .all()
      .map(({ name }) => name);
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
