import type { Clock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import type { Database } from "../db/client.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import type { Logger } from "../logger.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { CheckView } from "../db/check-view.ts";
import { Restoration, type RestorationParts } from "../restoring/restoration.ts";
import { checkStore } from "./check-store.ts";
import { BYTES_PER_GB } from "../rules/storage.ts";
import { Collection } from "./collection.ts";
import { passesInThreads } from "./pass-in-thread.ts";
import { Maintenance } from "./maintenance.ts";
import type { PromisedPaths } from "./promised-paths.ts";

const HOUR_MS = 3600 * 1000;

/** Maintenance with its work. Nothing is done before it is started or asked for. */
export function openMaintenance(options: {
  config: Pick<Config, "narTtlHours" | "maxStorageGb">;
  database: Database;
  clock: Clock;
  logger: Logger;
  files: NarStorage;
  intake: NarIntake;
  promised: PromisedPaths;
  /** null where there are no workers. */
  restoring: RestorationParts | null;
  onFinished?: () => Promise<void>;
}): Maintenance {
  const { config, database, clock, logger, files, intake, promised, restoring } = options;
  const { removals } = intake;
  const collection = new Collection({
    database,
    clock,
    files,
    removals,
    makePass: passesInThreads({ database, removals, isPromised: (path) => promised.has(path) }),
    ttlMs: config.narTtlHours * HOUR_MS,
    maxStorageBytes: config.maxStorageGb * BYTES_PER_GB,
  });
  const view = new CheckView(database);
  return new Maintenance({
    database,
    clock,
    logger,
    work: {
      collection: (task, run) =>
        collection.run({ cache: task.cacheId, isDryRun: task.isDryRun, ...run }),
      check: ({ isRepair }, run) => {
        const restoration =
          restoring === null
            ? null
            : new Restoration(restoring, { isTrial: !isRepair, signal: run.signal });
        return checkStore({ view, files, intake, clock, isRepair, restoration, ...run });
      },
    },
    findFull: () => collection.findFull(),
    onWanted: (cacheId, fileBytes) => collection.want(cacheId, fileBytes),
    onFinished: options.onFinished ?? (() => Promise.resolve()),
  });
}
