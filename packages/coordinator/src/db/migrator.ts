import { Migrator, sql, type Kysely, type Migration, type MigrationProvider } from "kysely";
import { UserError } from "../errors.ts";
import * as first from "./migrations/0001-first.ts";
import * as transfers from "./migrations/0002-transfers.ts";
import * as announcedBuilds from "./migrations/0003-announced-builds.ts";
import * as attemptMemory from "./migrations/0004-attempt-memory.ts";
import * as cacheContent from "./migrations/0010-cache-content.ts";
import * as accounts from "./migrations/0005-accounts.ts";
import * as roles from "./migrations/0006-roles.ts";
import * as reading from "./migrations/0009-reading.ts";
import * as attemptFigures from "./migrations/0011-attempt-figures.ts";
import * as cacheKeys from "./migrations/0013-cache-keys.ts";
import * as garbageCollection from "./migrations/0012-garbage-collection.ts";
import * as buildRequests from "./migrations/0008-build-requests.ts";
import * as triggers from "./migrations/0007-triggers.ts";
import * as nixbuild from "./migrations/0014-nixbuild.ts";
import * as narVisibility from "./migrations/0017-nar-visibility.ts";
import * as actions from "./migrations/0022-actions.ts";
import * as declaredState from "./migrations/0020-declared-state.ts";
import * as runHistories from "./migrations/0016-run-histories.ts";
import * as buildOrder from "./migrations/0018-build-order.ts";
import * as storedAnew from "./migrations/0026-stored-anew.ts";
import * as namesOfPaths from "./migrations/0027-names-of-paths.ts";
import * as microseconds from "./migrations/0030-microseconds.ts";
import * as flakeInputs from "./migrations/0031-flake-inputs.ts";
import * as sizesOfClosures from "./migrations/0032-sizes-of-closures.ts";
import * as waitingFiles from "./migrations/0035-waiting-files.ts";
import * as documentBytes from "./migrations/0037-document-bytes.ts";
import * as smallNameIndex from "./migrations/0038-small-name-index.ts";
import * as cuirass from "./migrations/0015-cuirass.ts";
import * as cuirassLists from "./migrations/0021-cuirass-lists.ts";

/**
 * Append only: a migration that was ever released is never changed. All that are pending run in one transaction, with foreign keys enforced
 * (`pragma foreign_keys` does nothing there), so a table that others refer to cannot be dropped and made anew.
 */
const migrations: Record<string, Migration> = {
  "0001-first": first,
  "0002-transfers": transfers,
  "0003-announced-builds": announcedBuilds,
  "0004-attempt-memory": attemptMemory,
  "0010-cache-content": cacheContent,
  "0005-accounts": accounts,
  "0006-roles": roles,
  "0009-reading": reading,
  "0011-attempt-figures": attemptFigures,
  "0013-cache-keys": cacheKeys,
  "0008-build-requests": buildRequests,
  "0012-garbage-collection": garbageCollection,
  "0007-triggers": triggers,
  "0014-nixbuild": nixbuild,
  "0017-nar-visibility": narVisibility,
  "0020-declared-state": declaredState,
  "0022-actions": actions,
  "0016-run-histories": runHistories,
  "0018-build-order": buildOrder,
  "0015-cuirass": cuirass,
  "0026-stored-anew": storedAnew,
  "0027-names-of-paths": namesOfPaths,
  "0030-microseconds": microseconds,
  "0031-flake-inputs": flakeInputs,
  "0032-sizes-of-closures": sizesOfClosures,
  "0035-waiting-files": waitingFiles,
  "0037-document-bytes": documentBytes,
  "0038-small-name-index": smallNameIndex,
  "0021-cuirass-lists": cuirassLists,
};

/** Of this release, in the order in which they are applied. */
export function migrationNames(): string[] {
  return Object.keys(migrations).toSorted();
}

const provider: MigrationProvider = { getMigrations: () => Promise.resolve(migrations) };

/**
 * Applies the migrations that the database does not have yet: all of them, or none when one fails or the process ends. Throws UserError for
 * a database that this release cannot use: one of a newer release, or of somebody else.
 */
export async function migrateToLatest<T>(kysely: Kysely<T>): Promise<void> {
  const migrator = new Migrator({ db: kysely, provider });
  await refuseUnknown(kysely);
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    const reason = error instanceof Error ? error.message : "unknown reason";
    throw new UserError(`it could not be brought up to date: ${reason}`, {
      exitCode: 1,
      cause: error,
    });
  }
}

/** Applies the migrations up to the named one: how a database of an earlier release was. */
export async function migrateTo<T>(kysely: Kysely<T>, name: string): Promise<void> {
  const { error } = await new Migrator({ db: kysely, provider }).migrateTo(name);
  if (error !== undefined) throw error;
}

async function refuseUnknown<T>(kysely: Kysely<T>): Promise<void> {
  const tables = await namesOf(kysely, sql`select name from sqlite_master where type = 'table'`);
  if (tables.length === 0) return;
  if (!tables.includes("kysely_migration")) {
    throw new UserError("it is not the database of a coordinator", { exitCode: 1 });
  }
  const applied = await namesOf(kysely, sql`select name from kysely_migration order by name`);
  const unknown = applied.filter((name) => migrations[name] === undefined);
  if (unknown.length === 0) return;
  throw new UserError(
    `it was written by a newer release (this one does not know ${unknown.join(", ")}): start that release, or restore a backup`,
    { exitCode: 1 },
  );
}

async function namesOf<T>(kysely: Kysely<T>, query: ReturnType<typeof sql>): Promise<string[]> {
  const { rows } = await query.execute(kysely);
  return rows.map((row) => String(Object(row).name));
}

/** Columns as `table.column`, and indexes. Names alone: how SQLite words the rest differs between its versions. */
export type Schema = ReadonlySet<string>;

/** What the database has now, with SQLite's own tables and indexes left out. */
export async function readSchema<T>(kysely: Kysely<T>): Promise<Schema> {
  const names = sql`
    select "table".name || '.' || "column".name as name
    from sqlite_master as "table" join pragma_table_info("table".name) as "column"
    where "table".type = 'table' and "table".name not like 'sqlite_%'
    union all
    select name from sqlite_master where type = 'index' and sql is not null
  `;
  return new Set(await namesOf(kysely, names));
}

/** Throws UserError when something is missing in the database, or is there, that a new one has not. */
export function requireSchema(found: Schema, wanted: Schema): void {
  const missing = [...wanted].find((name) => !found.has(name));
  const foreign = [...found].find((name) => !wanted.has(name));
  if (missing === undefined && foreign === undefined) return;
  const what = missing === undefined ? `it has '${foreign}'` : `it lacks '${missing}'`;
  throw new UserError(
    `${what}: it was written by a version that was never released, or changed by hand`,
    { exitCode: 1 },
  );
}
