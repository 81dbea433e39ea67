import type { Clock } from "../clock.ts";
import { prepareFindNarFile } from "../db/cache-nar-file-repository.ts";
import { prepareCachedPathReads } from "../db/cache-path-repository.ts";
import type { Database } from "../db/client.ts";
import { prepareFindNarObject } from "../db/nar-object-repository.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import type { CacheSigner } from "../ports.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { CacheContent, type ElsewhereVisible } from "./cache-content.ts";

/** A NAR may be so many times as large as its largest allowed file. */
const MAX_EXPANSION = 64;

/**
 * `maxFileBytes`: the largest compressed file that is taken. `maxStorageBytes`: what all files of the farm may take, beside each cache's own limit; 0
 * for no limit.
 */
export function openCacheContent(options: {
  database: Database;
  clock: Clock;
  intake: NarIntake;
  files: NarStorage;
  signer: CacheSigner;
  elsewhere: ElsewhereVisible;
  maxFileBytes: number;
  maxStorageBytes: number;
  onFull: (cacheId: string, fileBytes: number) => void;
}): CacheContent {
  const { maxFileBytes, ...rest } = options;
  const { database } = options;
  return new CacheContent({
    ...rest,
    cachedPaths: prepareCachedPathReads(database),
    findNarObject: prepareFindNarObject(database),
    findNarFile: prepareFindNarFile(database),
    limits: { maxFileBytes, maxNarBytes: maxFileBytes * MAX_EXPANSION },
  });
}
