import { PublicKey, storePathBase, storePathHash } from "@gradient/protocol";
import { audit, type Actor } from "../accounts/audit.ts";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { findSigningKeys, listCacheKeys } from "../db/cache-key-repository.ts";
import {
  deleteCachedPath,
  findInvisible,
  findReferrers,
  insertCachedPaths,
  type CachedPathReads,
  type NewCachedPath,
} from "../db/cache-path-repository.ts";
import type { CacheNarFile, FindNarFile } from "../db/cache-nar-file-repository.ts";
import { showPaths } from "../db/hidden-path-repository.ts";
import type { FindNarObject, NarObject } from "../db/nar-object-repository.ts";
import { listUpstreams } from "../db/upstream-repository.ts";
import {
  BadRequestError,
  ConflictError,
  CoordinatorError,
  NotFoundError,
  UnavailableError,
  UnprocessableError,
} from "../errors.ts";
import type { ChunkedUploads, UploadName } from "../intake/chunked-uploads.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import type { Compression } from "../intake/compression.ts";
import type { GivenFile, ReceivedFile, ReceiveLimits } from "../intake/received-file.ts";
import { toPublicKey } from "../keys/cache-key.ts";
import type { CacheSigner } from "../ports.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import {
  checkContent,
  checkFile,
  checkNar,
  checkReferences,
  checkSignatures,
  fingerprintOf,
  outsideReferences,
  sortedOnce,
} from "./check-claim.ts";
import type { CacheRoom } from "./cache-room.ts";
import type { PathClaim } from "./path-claim.ts";

/** The cache that content goes to or comes from. */
export interface ContentCache {
  readonly id: string;
  readonly name: string;
}

/** Whether some of the given paths can be had from elsewhere: three answers, for an outage is no absence. */
export interface ElsewhereVisible {
  /** Base names that no upstream of the cache has, and those of which it is not known. */
  missing(
    cacheId: string,
    bases: readonly string[],
  ): Promise<{ absent: readonly string[]; unknown: readonly string[] }>;
}

export interface CacheContentOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly intake: NarIntake;
  readonly files: NarStorage;
  readonly signer: CacheSigner;
  readonly cachedPaths: CachedPathReads;
  readonly findNarObject: FindNarObject;
  readonly findNarFile: FindNarFile;
  readonly elsewhere: ElsewhereVisible;
  readonly limits: ReceiveLimits;
  readonly room: CacheRoom;
  /** Files that come in chunks, by cache. */
  readonly chunked: ChunkedUploads;
}

/** A path on its way into a cache. */
export interface Deposit {
  readonly claim: PathClaim;
  /** null when the cache takes it from an upstream by itself. */
  readonly by: Actor | null;
}

/** What the name of a file says of it. */
export interface FileName {
  readonly fileHash: string;
  readonly compressions: readonly Compression[];
}

/** A file that comes in chunks: nobody goes on with those of another. */
export interface ChunkedFile {
  readonly cacheId: string;
  readonly userId: string;
  readonly hashPart: string;
}

interface SignedRow {
  readonly row: NewCachedPath;
  /** Names the keys that have signed. */
  readonly keys: string;
}

/** How many paths a message names. */
const NAMED_PATHS = 5;
/** Keys, and what a path refers to, may change while it comes; more than so many times in a row they do not. */
const MAX_TRIES = 5;

/** What users put into caches and take out of them. Nothing is shown before its bytes, its references and its signatures were verified. */
export class CacheContent {
  readonly #options: CacheContentOptions;

  constructor(options: CacheContentOptions) {
    this.#options = options;
  }

  /** Whether an upload would be read at once, and not wait for others. */
  hasRoomFor({ id }: Pick<ContentCache, "id">): boolean {
    return this.#options.intake.hasRoomForFile(id);
  }

  /** Takes a NAR file together with what is said of it, and shows the path. Throws CoordinatorError that says what is wrong; nothing is kept then. */
  async upload(
    cache: ContentCache,
    deposit: Deposit,
    body: AsyncIterable<Uint8Array>,
  ): Promise<{ isNew: boolean }> {
    return this.#upload(cache, deposit, body, 0);
  }

  /** Takes a chunk of a user's file for the path with that hash; as `ChunkedUploads.take` does. */
  takeChunk(
    upload: ChunkedFile,
    offset: number,
    chunk: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    return this.#options.chunked.take(nameOf(upload), offset, chunk);
  }

  /** As `upload`, with the file that the user has sent in chunks. Unless something does not answer, they are gone then. */
  async finish(cache: ContentCache, deposit: Deposit, userId: string): Promise<{ isNew: boolean }> {
    const { claim } = deposit;
    const hashPart = storePathHash(claim.path);
    const done = await this.#options.chunked.finish(
      nameOf({ cacheId: cache.id, userId, hashPart }),
      (file) => this.#upload(cache, deposit, file.read(), file.size),
      (error) => error instanceof CoordinatorError && !(error instanceof UnavailableError),
    );
    if (done !== null) return done;
    if (this.#shown(cache, claim) !== null) return { isNew: false };
    throw new BadRequestError(`nothing was uploaded for ${claim.path}: send its chunks first`, {
      code: "nothing_staged",
    });
  }

  /** `stagedBytes`: of the chunks that the body is made of. */
  async #upload(
    cache: ContentCache,
    deposit: Deposit,
    body: AsyncIterable<Uint8Array>,
    stagedBytes: number,
  ): Promise<{ isNew: boolean }> {
    const { claim } = deposit;
    const { limits, room } = this.#options;
    const accept = async (received: ReceivedFile) => {
      checkFile(claim, received);
      const { narHash, fileSize: bytes } = received.object;
      await room.require(cache.id, narHash, { what: claim.path, bytes, stagedBytes });
    };
    // No more is unpacked than was said: a small file can hold a NAR that takes minutes to be looked through.
    const maxNarBytes = Math.min(limits.maxNarBytes, claim.narSize);
    const { object } = await this.#receive(cache, body, accept, { ...limits, maxNarBytes });
    return this.#publish(cache, deposit, object);
  }

  /** Takes a NAR file of which nothing is said yet but its name, if it has one; `publish` shows a path with it. Throws CoordinatorError. */
  async receive(
    cache: ContentCache,
    name: FileName | null,
    body: AsyncIterable<Uint8Array>,
  ): Promise<GivenFile> {
    const { given } = await this.#receive(cache, body, async (received) => {
      if (name !== null) checkName(name, received.given);
      const { narHash, fileSize: bytes } = received.object;
      await this.#options.room.require(cache.id, narHash, {
        what: "the file",
        bytes,
        stagedBytes: 0,
      });
    });
    return given;
  }

  /** The file of that name, when the cache was given it, shown or not. */
  findGiven(cache: Pick<ContentCache, "id">, name: FileName): CacheNarFile | null {
    const given = this.#options.findNarFile(cache.id, name.fileHash);
    const isNamed = name.compressions.some((each) => each === given?.compression);
    return isNamed ? given : null;
  }

  /** Shows a path whose file was received before. Throws CoordinatorError; what was received for it is not kept then. */
  async publish(
    cache: ContentCache,
    deposit: Deposit,
    file: { readonly fileHash: string; readonly compression: string },
  ): Promise<{ isNew: boolean }> {
    const { claim } = deposit;
    const { findNarFile, findNarObject } = this.#options;
    const given = findNarFile(cache.id, file.fileHash);
    const object = given === null ? null : findNarObject(given.narHash);
    if (given === null || object === null) {
      if (this.#shown(cache, claim) !== null) return { isNew: false };
      throw new UnprocessableError(
        `the file with the NAR of ${claim.path} is not here: upload it before its narinfo`,
        { code: "nar_missing" },
      );
    }
    if (given.compression !== file.compression) {
      await this.#options.intake.removals.discard(cache.id, given.narHash);
      throw new UnprocessableError(
        `the file is compressed with ${given.compression}, not ${file.compression} as the narinfo says`,
        { code: "wrong_compression" },
      );
    }
    const compression = given.compression as ReceivedFile["given"]["compression"];
    return this.#publish(cache, deposit, object, { ...given, compression });
  }

  /** Discards a file that was received and that no path is shown with: what was said of it was wrong. */
  async forget(cache: ContentCache, fileHash: string): Promise<void> {
    const given = this.#options.findNarFile(cache.id, fileHash);
    if (given !== null) await this.#options.intake.removals.discard(cache.id, given.narHash);
  }

  async #receive(
    cache: ContentCache,
    body: AsyncIterable<Uint8Array>,
    accept: (received: ReceivedFile) => Promise<void>,
    limits = this.#options.limits,
  ): Promise<ReceivedFile> {
    return this.#options.intake.receive({ cacheId: cache.id, body, limits, accept });
  }

  async #publish(
    cache: ContentCache,
    deposit: Deposit,
    object: NarObject,
    given: ReceivedFile["given"] | null = null,
  ): Promise<{ isNew: boolean }> {
    const { claim } = deposit;
    try {
      if (given === null) checkNar(claim, object);
      else checkFile(claim, { given, object });
      const shown = this.#shown(cache, claim);
      if (shown !== null) {
        await this.#unhide(cache, shown);
        return { isNew: false };
      }
      for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
        const signed = await this.#verified(cache, claim, object);
        const relied = await this.#requireReferences(cache, claim);
        const outcome = await this.#show(cache, deposit, { ...signed, relied });
        if (outcome !== "facts changed") return { isNew: outcome === "new" };
      }
      throw new UnavailableError(
        `the keys of cache "${cache.name}", or what ${claim.path} refers to, change too fast: try again`,
      );
    } catch (error) {
      if (error instanceof CoordinatorError) {
        await this.#options.intake.removals.discard(cache.id, object.narHash);
      }
      throw error;
    }
  }

  /** The path as the cache shows it already. Throws ConflictError when that is another one: what was shown once does not change. */
  #shown(cache: ContentCache, claim: PathClaim): string | null {
    const shown = this.#options.cachedPaths.inCache(cache.id, storePathHash(claim.path));
    if (shown === null) return null;
    if (shown.path === storePathBase(claim.path) && shown.narHash === claim.narHash) {
      return shown.path;
    }
    throw alreadyShown(cache, shown);
  }

  /** What somebody puts into the cache by hand is shown. */
  async #unhide(cache: ContentCache, base: string): Promise<void> {
    await this.#options.database.transaction(({ kysely }) => showPaths(kysely, cache.id, [base]));
  }

  async #verified(cache: ContentCache, claim: PathClaim, object: NarObject): Promise<SignedRow> {
    const { files, signer, database } = this.#options;
    const text = fingerprintOf(claim);
    const upstreams = await listUpstreams(database.kysely, cache.id);
    const keys = await listCacheKeys(database.kysely, cache.id);
    const others = checkSignatures(claim, text, {
      own: keys.map(toPublicKey),
      others: upstreams.flatMap(({ public_key: key }) =>
        key === null ? [] : [PublicKey.parse(key)],
      ),
    });
    await checkContent(files, claim);
    await checkReferences(files, claim, object);
    const own = await signer.sign(cache.id, text);
    const row = {
      path: storePathBase(claim.path),
      narHash: claim.narHash,
      references: sortedOnce(claim.references).map(storePathBase),
      deriver: claim.deriver === null ? null : storePathBase(claim.deriver),
      ca: claim.ca,
      signatures: [...own.signatures, ...others],
    };
    return { row, keys: own.keys };
  }

  /** Base names of the references that the cache has itself. */
  async #requireReferences(cache: ContentCache, claim: PathClaim): Promise<string[]> {
    const { database, elsewhere } = this.#options;
    const wanted = outsideReferences(claim);
    const invisible = await findInvisible(database.kysely, cache.id, wanted);
    const own = wanted.filter((base) => !invisible.includes(base));
    if (invisible.length === 0) return own;
    const { absent, unknown } = await elsewhere.missing(cache.id, invisible);
    if (absent.length > 0) throw missingReferences(cache, claim, absent);
    if (unknown.length === 0) return own;
    throw new UnavailableError(
      `${claim.path} refers to ${listed(unknown)}, which cache "${cache.name}" does not have, and an upstream does not answer: upload it, or try again`,
    );
  }

  async #show(
    cache: ContentCache,
    { claim, by }: Deposit,
    { row, keys, relied }: SignedRow & { readonly relied: readonly string[] },
  ): Promise<"new" | "shown before" | "facts changed"> {
    const { database, clock, cachedPaths } = this.#options;
    const now = clock.now();
    const outcome = await database.transaction(async ({ kysely }) => {
      if ((await findInvisible(kysely, cache.id, [row.path])).length === 0) return "shown before";
      if ((await findSigningKeys(kysely, cache.id)) !== keys) return "facts changed";
      if ((await findInvisible(kysely, cache.id, relied)).length > 0) return "facts changed";
      await insertCachedPaths(kysely, cache.id, [row], now);
      await showPaths(kysely, cache.id, [row.path, ...row.references]);
      if (by !== null) {
        const details = { cache: cache.name };
        await audit(
          kysely,
          { event: "cache.nar.upload", actor: by, subject: row.path, details },
          now,
        );
      }
      return "new";
    });
    const shown = cachedPaths.inCache(cache.id, storePathHash(claim.path));
    if (shown !== null && (shown.path !== row.path || shown.narHash !== row.narHash)) {
      throw alreadyShown(cache, shown);
    }
    return outcome;
  }

  /**
   * Takes a path out of the cache, and its NAR from the disk when no cache has it any more. Throws NotFoundError, and ConflictError as long as another path of the cache refers to it:
   * what a cache shows can be fetched with all that it needs.
   */
  async remove(cache: ContentCache, hashPart: string, by: Actor): Promise<void> {
    const { database, cachedPaths, clock, intake } = this.#options;
    const shown = cachedPaths.inCache(cache.id, hashPart);
    const referrers = await database.transaction(async ({ kysely }) => {
      const found = await findReferrers(kysely, cache.id, hashPart, NAMED_PATHS);
      if (found.length > 0) return found;
      if (!(await deleteCachedPath(kysely, cache.id, hashPart))) return null;
      const entry = { actor: by, subject: shown?.path ?? hashPart, details: { cache: cache.name } };
      await audit(kysely, { event: "cache.nar.delete", ...entry }, clock.now());
      return found;
    });
    if (shown === null || referrers === null) {
      throw new NotFoundError(`cache "${cache.name}" has no path with hash ${hashPart}`);
    }
    if (referrers.length > 0) {
      throw new ConflictError(
        `/nix/store/${shown.path} is needed by ${listed(referrers)} in cache "${cache.name}": delete that first`,
        { code: "still_referenced" },
      );
    }
    await intake.removals.discard(cache.id, shown.narHash);
  }
}

function nameOf({ cacheId, userId, hashPart }: ChunkedFile): UploadName {
  return { owner: cacheId, name: `${userId} ${hashPart}` };
}

function checkName(name: FileName, given: GivenFile): void {
  if (!name.compressions.includes(given.compression)) {
    throw new UnprocessableError(
      `the file is compressed with ${given.compression}, not with ${name.compressions.join(" or ")} as its name says`,
      { code: "wrong_compression" },
    );
  }
  if (name.fileHash === given.fileHash) return;
  throw new UnprocessableError(
    `the file has hash ${given.fileHash} and not ${name.fileHash}, which its name says: it was damaged on the way`,
    { code: "file_hash_mismatch" },
  );
}

function listed(bases: readonly string[]): string {
  const named = bases.slice(0, NAMED_PATHS).map((base) => `/nix/store/${base}`);
  const more = bases.length > NAMED_PATHS ? ` and ${bases.length - NAMED_PATHS} more` : "";
  return `${named.join(", ")}${more}`;
}

function missingReferences(
  cache: ContentCache,
  claim: PathClaim,
  bases: readonly string[],
): UnprocessableError {
  return new UnprocessableError(
    `${claim.path} refers to ${listed(bases)}, which cache "${cache.name}" and its upstreams do not have: upload it first`,
    { code: "missing_reference" },
  );
}

function alreadyShown(
  cache: ContentCache,
  shown: { path: string; narHash: string },
): ConflictError {
  return new ConflictError(
    `cache "${cache.name}" shows /nix/store/${shown.path} with NAR hash sha256:${shown.narHash}, and what it shows does not change`,
    { code: "already_exists" },
  );
}
