import { SqliteAdapter, SqliteDialect } from "kysely";

/** SQLite takes changes of tables into transactions; kysely by itself makes no use of it and would commit a migration statement by statement. */
class MigratingAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** Of a database that is brought up to date in one transaction. */
export class MigratingDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new MigratingAdapter();
  }
}
