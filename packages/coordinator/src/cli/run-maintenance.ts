import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../clock.ts";
import type { Maintenance } from "../collection/maintenance.ts";
import { openMaintenance } from "../collection/open-maintenance.ts";
import { PromisedPaths } from "../collection/promised-paths.ts";
import type { Config } from "../config/settings.ts";
import { ensureDataDir, openFarmDatabase, tryLockDataDir } from "../data-dir.ts";
import type { Database } from "../db/client.ts";
import {
  findTask,
  findUnfinishedTasks,
  insertTask,
  type MaintenanceTask,
  type TaskRequest,
} from "../db/maintenance-repository.ts";
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
 * Does a task over the data directory and tells how far it is: in the coordinator that runs there, which finds it in the database, or here when none runs, after what of its kind was left
 * unfinished. Resolves to the task when it is done. Throws UserError, ConflictError, NotFoundError.
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
    if (lock !== null) {
      const maintenance = await openHere(config, database, resources);
      return await doHere({ database, maintenance }, task, surroundings);
    }
    return await follow(database, await queue(database, task), surroundings);
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

async function queue({ kysely }: Database, task: TaskRequest): Promise<string> {
  const id = await insertTask(kysely, task, systemClock.now());
  if (id === null) throw new ConflictError(`a ${task.kind} is not finished yet: try again later`);
  return id;
}

/** Nobody else does it, as the data directory is ours: not even what a process that was stopped has left. If that is the same, it is what was asked for. */
async function doHere(
  { database, maintenance }: { database: Database; maintenance: Maintenance },
  task: TaskRequest,
  surroundings: Surroundings,
): Promise<MaintenanceTask> {
  const unfinished = await findUnfinishedTasks(database.kysely);
  const left = unfinished.find(({ kind }) => kind === task.kind);
  if (left !== undefined) {
    maintenance.wake();
    const done = await follow(database, left.id, surroundings);
    if (isSame(left, task)) return done;
    await maintenance.idle();
  }
  const id = await queue(database, task);
  maintenance.wake();
  return follow(database, id, surroundings);
}

function isSame(left: MaintenanceTask, task: TaskRequest): boolean {
  const { cacheId = null, isDryRun = false, isRepair = false } = task;
  return left.cacheId === cacheId && left.isDryRun === isDryRun && left.isRepair === isRepair;
}

/** Works over a data directory that is ours. */
async function openHere(
  config: Config,
  database: Database,
  resources: Resources,
): Promise<Maintenance> {
  const clock = systemClock;
  const logger = createLogger("error");
  const { dataDir, objectStore } = config;
  const files = resources.use(await openNars({ dataDir, objectStore, logger }));
  const findNarObject = prepareFindNarObject(database);
  const possesses = prepareHasUploaded(database);
  const intake = new NarIntake({ database, files, findNarObject, possesses, clock });
  const promised = new PromisedPaths(clock);
  const parts = { config, database, clock, logger, files, intake, promised };
  return resources.use(openMaintenance({ ...parts, restoring: null }));
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
      throw new UserError(
        "stopped; what was begun goes on when the coordinator or this runs again",
        {
          exitCode: 1,
        },
      );
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
