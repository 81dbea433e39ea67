import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../clock.ts";
import { openMaintenance } from "../collection/open-maintenance.ts";
import { PromisedPaths } from "../collection/promised-paths.ts";
import type { Config } from "../config/settings.ts";
import { ensureDataDir, openFarmDatabase, tryLockDataDir } from "../data-dir.ts";
import type { Database } from "../db/client.ts";
import { findTask, type MaintenanceTask, type TaskRequest } from "../db/maintenance-repository.ts";
import { insertTask } from "../db/maintenance-repository.ts";
import { prepareFindNarObject } from "../db/nar-object-repository.ts";
import { prepareHasUploaded } from "../db/nar-possession-repository.ts";
import { ConflictError, NotFoundError, UserError } from "../errors.ts";
import { NarIntake } from "../intake/nar-intake.ts";
import { createLogger } from "../logger.ts";
import { Resources } from "../resources.ts";
import { openNars } from "../storage/open-nars.ts";
import { findCacheId } from "../db/cache-repository.ts";
import type { Surroundings } from "./surroundings.ts";

const LOOK_MS = 250;

/**
 * Does a task over the data directory and tells how far it is: in the coordinator that runs there, which finds it in the database, or here when none runs. Resolves to the task when it is
 * done. Throws UserError, ConflictError, NotFoundError.
 */
export async function runMaintenance(
  config: Config,
  request: Omit<TaskRequest, "cacheId"> & { cache: string | null },
  surroundings: Surroundings,
): Promise<MaintenanceTask> {
  await ensureDataDir(config.dataDir);
  const resources = new Resources();
  try {
    const lock = tryLockDataDir(config.dataDir);
    if (lock !== null) resources.use(lock);
    const database = resources.use(await openFarmDatabase(config.dataDir));
    const { cache, ...rest } = request;
    const task = { ...rest, cacheId: await cacheIdOf(database, cache) };
    const id = await insertTask(database.kysely, task, systemClock.now());
    if (id === null) {
      throw new ConflictError(`a ${request.kind} is not finished yet: try again later`);
    }
    if (lock !== null) await workHere(config, database, resources);
    return await follow(database, id, surroundings);
  } finally {
    await resources[Symbol.asyncDispose]();
  }
}

async function cacheIdOf(database: Database, name: string | null): Promise<string | null> {
  if (name === null) return null;
  const id = await findCacheId(database.kysely, name);
  if (id === null) throw new NotFoundError(`cache "${name}" does not exist`);
  return id;
}

/** Nobody else does it: the data directory is ours. */
async function workHere(config: Config, database: Database, resources: Resources): Promise<void> {
  const clock = systemClock;
  const logger = createLogger("error");
  const { dataDir, objectStore } = config;
  const files = resources.use(await openNars({ dataDir, objectStore, logger }));
  const findNarObject = prepareFindNarObject(database);
  const possesses = prepareHasUploaded(database);
  const intake = new NarIntake({ database, files, findNarObject, possesses, clock });
  const promised = new PromisedPaths(clock);
  const parts = { config, database, clock, logger, files, intake, promised };
  resources.use(openMaintenance({ ...parts, restoring: null })).wake();
}

async function follow(
  database: Database,
  id: string,
  { writeErr, stop }: Surroundings,
): Promise<MaintenanceTask> {
  let told = "";
  for (;;) {
    const task = await findTask(database.kysely, id);
    if (task === null) throw new Error(`task ${id} is not in the database any more`);
    const text = progressText(task);
    if (text !== told) writeErr(`${text}\n`);
    told = text;
    if (task.error !== null) throw new UserError(task.error, { exitCode: 1 });
    if (task.finishedAt !== null) return task;
    if (stop.aborted) {
      throw new UserError("stopped; what was begun goes on when the coordinator runs", {
        exitCode: 1,
      });
    }
    await sleep(LOOK_MS, undefined, { signal: stop }).catch(() => undefined);
  }
}

function progressText({ state, progress }: MaintenanceTask): string {
  const parts = [state, progress.phase];
  if (progress.cachesTotal > 0) parts.push(`${progress.cachesDone}/${progress.cachesTotal} caches`);
  if (progress.paths > 0) parts.push(`${progress.paths} paths`);
  if (progress.checkedFiles > 0) parts.push(`${progress.checkedFiles} files checked`);
  return parts.join(", ");
}
