import type { Clock } from "../clock.ts";
import { prepareFindNarFile } from "../db/cache-nar-file-repository.ts";
import { prepareCachedPathReads } from "../db/cache-path-repository.ts";
import type { Database } from "../db/client.ts";
import { prepareFindNarObject } from "../db/nar-object-repository.ts";
import { ChunkedUploads } from "../intake/chunked-uploads.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import type { CacheSigner } from "../ports.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import type { StagedFiles } from "../storage/staged-files.ts";
import { CacheContent, type ElsewhereVisible } from "./cache-content.ts";
import type { CacheRoom } from "./cache-room.ts";

/** A NAR may be so many times as large as its largest allowed file. */
const MAX_EXPANSION = 64;

/** `maxFileBytes`: the largest compressed file that is taken. */
export function openCacheContent(options: {
  database: Database;
  clock: Clock;
  intake: NarIntake;
  files: NarStorage;
  signer: CacheSigner;
  elsewhere: ElsewhereVisible;
  maxFileBytes: number;
  /** Chunks of files, by cache. */
  staged: StagedFiles;
  room: CacheRoom;
}): CacheContent {
  const { maxFileBytes, staged, ...rest } = options;
  const { database, room } = options;
  return new CacheContent({
    ...rest,
    cachedPaths: prepareCachedPathReads(database),
    findNarObject: prepareFindNarObject(database),
    findNarFile: prepareFindNarFile(database),
    chunked: new ChunkedUploads(staged, (cacheId) => room.checkForChunks(cacheId)),
    limits: { maxFileBytes, maxNarBytes: maxFileBytes * MAX_EXPANSION },
  });
}
