import type { CacheContent, ElsewhereVisible } from "../caches/cache-content.ts";
import type { CacheRoom } from "../caches/cache-room.ts";
import { openCacheContent } from "../caches/open-content.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import type { Database } from "../db/client.ts";
import { prepareFindNarObject } from "../db/nar-object-repository.ts";
import { prepareHasUploaded } from "../db/nar-possession-repository.ts";
import { NarIntake } from "../intake/nar-intake.ts";
import type { CacheSigner } from "../ports.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import type { StagedFiles } from "../storage/staged-files.ts";

/** Real content over a test's own database and directory. */
export function testContent(options: {
  config: Config;
  database: Database;
  clock: Clock;
  files: NarStorage;
  intake: NarIntake;
  signer: CacheSigner;
  elsewhere: ElsewhereVisible;
  staged: StagedFiles;
  room: CacheRoom;
}): CacheContent {
  const { config, ...rest } = options;
  return openCacheContent({ ...rest, maxFileBytes: config.maxNarUploadSize });
}

export function testIntake(options: {
  database: Database;
  clock: Clock;
  files: NarStorage;
}): NarIntake {
  const { database } = options;
  return new NarIntake({
    ...options,
    findNarObject: prepareFindNarObject(database),
    possesses: prepareHasUploaded(database),
  });
}
