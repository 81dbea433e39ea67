import { Migrator, type Kysely, type Migration } from "kysely";
import * as first from "./migrations/0001-first.ts";

/** Append only: a migration that was ever released is never changed. */
const migrations: Record<string, Migration> = {
  "0001-first": first,
};

/** Applies the migrations that the database does not have yet. */
export async function migrateToLatest<T>(kysely: Kysely<T>): Promise<void> {
  const migrator = new Migrator({
    db: kysely,
    provider: { getMigrations: () => Promise.resolve(migrations) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    throw new Error(
      "the database could not be brought up to date; was it written by a newer release?",
      {
        cause: error,
      },
    );
  }
}
