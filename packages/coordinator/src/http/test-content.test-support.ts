import type { CacheContent, ElsewhereVisible } from "../caches/cache-content.ts";
import { openCacheContent } from "../caches/open-content.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import type { Database } from "../db/client.ts";
import { prepareFindNarObject } from "../db/nar-object-repository.ts";
import { prepareHasUploaded } from "../db/nar-possession-repository.ts";
import { NarIntake } from "../intake/nar-intake.ts";
import type { CacheSigner } from "../ports.ts";
import type { NarStorage } from "../storage/nar-storage.ts";

/** Real content over a test's own database and directory. */
export function testContent(options: {
  config: Config;
  database: Database;
  clock: Clock;
  files: NarStorage;
  signer: CacheSigner;
  elsewhere: ElsewhereVisible;
}): CacheContent {
  const { config, database, clock, files, signer, elsewhere } = options;
  const intake = new NarIntake({
    database,
    files,
    findNarObject: prepareFindNarObject(database),
    possesses: prepareHasUploaded(database),
    clock,
  });
  const maxFileBytes = config.maxNarUploadSize;
  return openCacheContent({ database, clock, intake, files, signer, elsewhere, maxFileBytes });
}
