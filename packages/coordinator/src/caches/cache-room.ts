import type { Database, Queries } from "../db/client.ts";
import { findCacheStorage, isNarInCache, type CacheStorage } from "../db/storage-room.ts";
import { ConflictError, PayloadTooLargeError } from "../errors.ts";
import type { CheckUpload } from "../intake/chunked-uploads.ts";
import type { StagedFiles } from "../storage/staged-files.ts";

export interface CacheRoomOptions {
  readonly database: Database;
  /** What comes in chunks, by cache. */
  readonly staged: StagedFiles;
  /** Bytes of one file. */
  readonly maxFileBytes: number;
  /** What the NARs of all caches may take; 0 for no limit. */
  readonly maxStorageBytes: number;
  /** A file did not fit: so many bytes would have to be free in the cache. */
  readonly onFull: (cacheId: string, bytes: number) => void;
}

/** A file that is to be kept. */
interface NewFile {
  /** As messages call it. */
  readonly what: string;
  readonly bytes: number;
}

/**
 * Whether caches have room for what users put into them. Four things count: what a cache shows, what it was given and does not show yet, what lies beside its paths, and what
 * came in chunks and is not finished. NARs that come at the same moment do not see each other, but for chunks.
 */
export class CacheRoom {
  readonly #options: CacheRoomOptions;

  constructor(options: CacheRoomOptions) {
    this.#options = options;
  }

  /** For a NAR that was received and is about to be recorded; `stagedBytes`: of the chunks that it was made of. Throws ConflictError, code `cache_storage_full`. */
  async require(
    cacheId: string,
    narHash: string,
    { stagedBytes, ...file }: NewFile & { readonly stagedBytes: number },
  ): Promise<void> {
    const { database, staged } = this.#options;
    // It counts already.
    if (await isNarInCache(database.kysely, cacheId, narHash)) return;
    const storage = await findCacheStorage(database.kysely, cacheId);
    this.#check(storage, file, staged.bytesOf(cacheId) - stagedBytes);
  }

  /** For what lies beside the paths, in the transaction that stores it in place of `replacedBytes`. Throws as `require` does, but never for what takes no more than before. */
  async requireBeside(
    db: Queries,
    cacheId: string,
    { replacedBytes, ...file }: NewFile & { readonly replacedBytes: number },
  ): Promise<void> {
    if (file.bytes <= replacedBytes) return;
    const found = await findCacheStorage(db, cacheId);
    const storage = {
      ...found,
      storedBytes: found.storedBytes - replacedBytes,
      diskBytes: found.diskBytes - replacedBytes,
    };
    this.#check(storage, file, this.#options.staged.bytesOf(cacheId));
  }

  /** For a file that comes in chunks; what it throws is as `require` has it, or PayloadTooLargeError. */
  async checkForChunks(cacheId: string): Promise<CheckUpload> {
    const { database, maxFileBytes } = this.#options;
    const storage = await findCacheStorage(database.kysely, cacheId);
    return (bytes, otherBytes) => {
      if (bytes > maxFileBytes) {
        throw new PayloadTooLargeError(
          `the file is larger than the ${maxFileBytes} bytes that this server takes (GRADIENT_MAX_NAR_UPLOAD_SIZE)`,
        );
      }
      this.#check(storage, { what: "the file", bytes }, otherBytes);
    };
  }

  /** `stagedBytes`: of the cache's other files that come in chunks. */
  #check(storage: CacheStorage, { what, bytes }: NewFile, stagedBytes: number): void {
    const room = this.#room(storage, stagedBytes);
    if (bytes <= room) return;
    this.#options.onFull(storage.cacheId, bytes + stagedBytes);
    const unfinished =
      stagedBytes === 0
        ? ""
        : `, and ${stagedBytes} bytes are taken up by uploads in chunks: finish them, or give them up with an empty chunk at offset 0`;
    throw new ConflictError(
      `${what} has ${bytes} bytes and cache "${storage.name}" has room for ${Math.max(0, room)}: what was used least recently is being removed; try again, or raise its limit${unfinished}`,
      { code: "cache_storage_full" },
    );
  }

  #room(
    { cacheId, limitBytes, storedBytes, diskBytes }: CacheStorage,
    stagedBytes: number,
  ): number {
    const { staged, maxStorageBytes } = this.#options;
    const inCache = limitBytes === 0 ? Infinity : limitBytes - storedBytes - stagedBytes;
    if (maxStorageBytes === 0) return inCache;
    const stagedElsewhere = staged.bytes - staged.bytesOf(cacheId);
    return Math.min(inCache, maxStorageBytes - diskBytes - stagedElsewhere - stagedBytes);
  }
}
