import { createHash } from "node:crypto";
import { IncomingMessage } from "node:http";
import { encodeNix32, type BundledNar, type OrganizationId } from "@gradient/protocol";
import type { Clock } from "../clock.ts";
import type { Database, Queries } from "../db/client.ts";
import { touchNars } from "../db/collection-repository.ts";
import { insertNarFile } from "../db/cache-nar-file-repository.ts";
import {
  insertNarObjects,
  replaceNarFile,
  type FindNarObject,
  type NarObject,
  type NewNarObject,
} from "../db/nar-object-repository.ts";
import { insertPossessions } from "../db/nar-possession-repository.ts";
import {
  ConflictError,
  CoordinatorError,
  UnavailableError,
  UnprocessableError,
} from "../errors.ts";
import type { Draft } from "../storage/drafts.ts";
import type { NarStorage, StagedNar } from "../storage/nar-storage.ts";
import { bodyPieces } from "./body-pieces.ts";
import { drain } from "./drain.ts";
import { Gate } from "./gate.ts";
import { GatheredWrites } from "./gathered-writes.ts";
import { inspectZstd } from "./inspect-zstd.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { Measure } from "./measure.ts";
import { checkClaim, sizeMismatch, type NarClaim } from "./nar-claim.ts";
import { NarInspection } from "./nar-inspection.ts";
import { NarRemovals } from "./nar-removals.ts";
import { packNar } from "./pack-nar.ts";
import { receiveFile, type ReceivedFile, type ReceiveLimits } from "./received-file.ts";
import { Turns } from "./turns.ts";
import type { Possesses } from "./verify-path.ts";
import { watchPace } from "./watch-pace.ts";
import { ZstdDecoder } from "./zstd-decoder.ts";

/** Bytes on their way in. */
export interface NarUpload {
  readonly organization: OrganizationId;
  readonly body: AsyncIterable<Uint8Array>;
  /** Where it is kept when it breaks off: whoever sends the rest names it so. */
  readonly name: string;
  /** The body goes on behind so many bytes that are kept. */
  readonly offset: number;
}

/** Who has uploaded which NARs. */
interface Possession {
  readonly organization: OrganizationId;
  readonly narHashes: readonly string[];
}

/** A file with a NAR that a cache is given. */
export interface CacheUpload {
  readonly cacheId: string;
  readonly body: AsyncIterable<Uint8Array>;
  readonly limits: ReceiveLimits;
  /** Compares the file with what was said of it; what it throws keeps the file out. */
  readonly accept: (received: ReceivedFile) => void | Promise<void>;
}

/** A NAR in the form in which it will be stored. */
export interface PackedNar {
  readonly object: NewNarObject;
  readonly bytes: Uint8Array;
}

/** NARs that are decompressed at once. Each may need the window of its compression, 32 MiB for a large one; the bodies of others wait unread. */
const MAX_INSPECTIONS = 16;

const MAX_FILES = 8;

/** Less than this is soon sent again. */
const MIN_STAGED_BYTES = 1024 * 1024;

/** Where NARs come in. Nothing is recorded that was not verified, and what is recorded is durable. */
export class NarIntake {
  /** Where they go again. */
  readonly removals: NarRemovals;
  readonly #database: Database;
  readonly #files: NarStorage;
  readonly #find: FindNarObject;
  readonly #possesses: Possesses;
  readonly #clock: Clock;
  /** By NAR hash: the row and the file of an object are always from the same upload. */
  readonly #lock = new KeyedLock();
  readonly #gate = new Gate(MAX_INSPECTIONS);
  /** Users' files have places of their own: however slowly they come, workers do not wait for them. */
  readonly #fileGate = new Gate(MAX_FILES);
  /** What is stored of these NARs is no good: they are taken again, whoever sends them, and then are in its place. */
  readonly #lost = new Set<string>();

  constructor(options: {
    database: Database;
    files: NarStorage;
    findNarObject: FindNarObject;
    possesses: Possesses;
    clock: Clock;
  }) {
    this.#database = options.database;
    this.#files = options.files;
    this.#find = options.findNarObject;
    this.#possesses = options.possesses;
    this.#clock = options.clock;
    this.removals = new NarRemovals({ ...options, lock: this.#lock });
  }

  /**
   * Takes a zstd-compressed NAR as it streams: it is hashed, its structure checked and its references found on the way to the disk.
   * Nothing is kept unless everything is as claimed. Bytes that the organization is known to have are read and dropped; those that only others
   * have are checked as if they were new, so that nobody comes by a NAR by knowing its hash.
   * Throws UnprocessableError that says what is wrong, ConflictError when there is nothing to go on behind.
   */
  async take(claim: NarClaim, upload: NarUpload): Promise<NarObject> {
    const { organization, body } = upload;
    const known = this.findHeld(organization, claim.narHash);
    if (known !== null) {
      await drain(body);
      if (known.narSize !== claim.narSize) throw sizeMismatch(claim, known.narSize);
      return known;
    }
    using _place = await this.#gate.enter(organization);
    await using draft = await this.#begin(upload);
    const object = await this.#inspect(claim, upload, draft);
    // Awaited here: the draft is removed when this function is left.
    return await this.#keep(organization, object, draft);
  }

  /** Takes a zstd-compressed NAR that lies in the store already, by the rules of `take`. It is read once, and copied there. */
  async takeStaged(
    organization: OrganizationId,
    claim: NarClaim,
    staged: Pick<StagedNar, "read" | "keep">,
  ): Promise<NarObject> {
    using _place = await this.#gate.enter(organization);
    const measure = new Measure();
    const found = await inspectZstd(measured(await staged.read(), measure), claim.narSize);
    checkClaim(claim, found);
    const object = { ...found, fileHash: measure.hash(), fileSize: measure.bytes };
    return await this.#keep(organization, object, staged);
  }

  /**
   * Takes a NAR that is not compressed, from this machine's disk: it is checked, hashed and compressed on the way to its place.
   * Throws UnprocessableError that says what is wrong.
   */
  async pack(organization: OrganizationId, nar: AsyncIterable<Uint8Array>): Promise<NarObject> {
    using _place = await this.#gate.enter(organization);
    await using draft = await this.#files.draft();
    const object = await packNar(nar, Number.MAX_SAFE_INTEGER, draft);
    return await this.#keep(organization, object, draft);
  }

  /** The NAR, when the organization has it and need not send it. */
  findHeld(organization: OrganizationId, narHash: string): NarObject | null {
    const known = this.#findGood(narHash);
    return known !== null && this.#possesses(organization, narHash) ? known : null;
  }

  /**
   * What is stored of these NARs is damaged or gone: until this is disposed of, the next upload of each that was verified takes its place, and is asked of
   * workers and users as if it were new.
   */
  expectAgain(narHashes: readonly string[]): Disposable {
    for (const narHash of narHashes) this.#lost.add(narHash);
    return {
      [Symbol.dispose]: () => {
        for (const narHash of narHashes) this.#lost.delete(narHash);
      },
    };
  }

  /** Whether the NAR is expected again, and has not come yet. */
  isExpected(narHash: string): boolean {
    return this.#lost.has(narHash);
  }

  #findGood(narHash: string): NarObject | null {
    return this.#lost.has(narHash) ? null : this.#find(narHash);
  }

  /** The first of two uploads of the same NAR stays. */
  #keep(
    organization: OrganizationId,
    object: NewNarObject,
    draft: Pick<Draft, "keep">,
  ): Promise<NarObject> {
    const { narHash } = object;
    return this.#lock.hold([narHash], async () => {
      const first = this.#findGood(narHash);
      if (first === null) await draft.keep(narHash);
      const possession = { organization, narHashes: [narHash] };
      await this.#record(first === null ? [object] : [], possession);
      return first ?? object;
    });
  }

  /**
   * Takes several small NARs at once, by the rules of `take`: all, or nothing of them is kept. Throws UnprocessableError that names the one
   * that is not as announced.
   */
  async takeBundle(organization: OrganizationId, nars: readonly BundledNar[]): Promise<void> {
    const packed = await this.#inspectBundle(organization, nars);
    if (packed.length === 0) return;
    await this.#store(packed, {
      organization,
      narHashes: packed.map(({ object }) => object.narHash),
    });
  }

  async #inspectBundle(
    organization: OrganizationId,
    nars: readonly BundledNar[],
  ): Promise<PackedNar[]> {
    using _place = await this.#gate.enter(organization);
    using decoder = ZstdDecoder.borrow();
    const turns = new Turns();
    const packed = new Map<string, PackedNar>();
    for (const nar of nars) {
      if (this.#isHeld(organization, nar) || packed.has(nar.narHash)) continue;
      try {
        packed.set(nar.narHash, await inspectSmall(nar, decoder, turns));
      } catch (cause) {
        if (!(cause instanceof CoordinatorError)) throw cause;
        const message = `NAR sha256:${nar.narHash}: ${cause.message}`;
        throw new UnprocessableError(message, { code: cause.code, cause });
      }
    }
    return [...packed.values()];
  }

  #isHeld(organization: OrganizationId, { narHash, narSize }: NarClaim): boolean {
    const known = this.findHeld(organization, narHash);
    if (known === null) return false;
    if (known.narSize !== narSize) throw sizeMismatch({ narHash, narSize }, known.narSize);
    return true;
  }

  /**
   * Takes a file with a NAR, compressed or not, that a cache is given: checked as it streams, and stored in one form. Nothing shows it yet; until something does, the note of
   * the file keeps it. Throws UnprocessableError, PayloadTooLargeError, and what `accept` throws.
   */
  async receive({ cacheId, body, limits, accept }: CacheUpload): Promise<ReceivedFile> {
    using _place = await this.#fileGate.enter(cacheId);
    await using draft = await this.#files.draft();
    const arrived = new Measure();
    const watched = { gate: this.#fileGate, body, received: () => arrived.bytes };
    using _pace = watchPace(watched, this.#clock);
    const received = await receiveFile(piecesOf(body), limits, draft, arrived);
    await accept(received);
    const { given, object } = received;
    return await this.#lock.hold([object.narHash], async () => {
      const first = this.#findGood(object.narHash);
      if (first === null) await draft.keep(object.narHash);
      const now = this.#clock.now();
      await this.#database.transaction(async ({ kysely }) => {
        await this.#insert(kysely, first === null ? [object] : [], now);
        await insertNarFile(kysely, {
          cache_id: cacheId,
          file_hash: given.fileHash,
          compression: given.compression,
          file_size: given.fileSize,
          nar_hash: object.narHash,
          created_at: now,
        });
      });
      this.#lost.delete(object.narHash);
      return { given, object: first ?? object };
    });
  }

  /** Whether a file for the cache would be read at once. */
  hasRoomForFile(cacheId: string): boolean {
    return this.#fileGate.hasRoomFor(cacheId);
  }

  async #begin({ name, offset }: NarUpload): Promise<Draft> {
    if (offset === 0) return this.#files.draft();
    const kept = await this.#files.stagedBytes(name);
    const draft = kept === offset ? await this.#files.resume(name) : null;
    if (draft !== null) return draft;
    throw new ConflictError(`${kept} bytes of the upload are kept, not ${offset}`, {
      code: "wrong_offset",
    });
  }

  async #inspect(claim: NarClaim, upload: NarUpload, draft: Draft): Promise<NewNarObject> {
    const file = new ArrivingFile(upload, draft);
    const watched = { gate: this.#gate, body: upload.body, received: () => file.size };
    using _pace = watchPace(watched, this.#clock);
    try {
      const found = await inspectZstd(file.chunks(), claim.narSize);
      checkClaim(claim, found);
      return { ...found, fileHash: file.hash(), fileSize: file.size };
    } catch (error) {
      // What was wrong stays wrong; what broke off can go on.
      const isWrong = error instanceof CoordinatorError && !(error instanceof UnavailableError);
      if (!isWrong && file.size >= MIN_STAGED_BYTES) {
        await file.flush();
        await draft.stage(upload.name);
      }
      throw error;
    }
  }

  /** Stores NARs that were made here. The ones that are there already stay. */
  add(nars: readonly PackedNar[]): Promise<void> {
    return this.#store(nars, null);
  }

  async #store(nars: readonly PackedNar[], possession: Possession | null): Promise<void> {
    const hashes = nars.map(({ object }) => object.narHash);
    await this.#lock.hold(hashes, async () => {
      const missing = nars.filter(({ object }) => this.#findGood(object.narHash) === null);
      await this.#files.store(
        missing.map(({ object, bytes }) => ({ narHash: object.narHash, bytes })),
      );
      await this.#record(
        missing.map(({ object }) => object),
        possession,
        hashes,
      );
    });
  }

  /** The result that uses an object makes its row durable, too. */
  async #record(
    objects: readonly NewNarObject[],
    possession: Possession | null,
    unpossessed: readonly string[] = [],
  ): Promise<void> {
    const now = this.#clock.now();
    await this.#database.relaxedTransaction(async ({ kysely }) => {
      await this.#insert(kysely, objects, now);
      if (possession === null) await touchNars(kysely, unpossessed, now);
      else await insertPossessions(kysely, possession, now);
    });
    for (const { narHash } of objects) this.#lost.delete(narHash);
  }

  async #insert(kysely: Queries, objects: readonly NewNarObject[], now: number): Promise<void> {
    await insertNarObjects(kysely, objects, now);
    for (const object of objects) {
      if (this.#lost.has(object.narHash)) await replaceNarFile(kysely, object, now);
    }
  }
}

async function* measured(
  source: AsyncIterable<Uint8Array>,
  measure: Measure,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    measure.add(chunk);
    yield chunk;
  }
}

/** The body of a request is watched as what it is (`watchPace`), and read in pieces: nobody else has what it holds. */
function piecesOf(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return body instanceof IncomingMessage ? bodyPieces(body) : body;
}

/** A packed NAR on its way to the disk. */
class ArrivingFile {
  readonly #upload: NarUpload;
  readonly #draft: Draft;
  readonly #writes: GatheredWrites;
  readonly #measure = new Measure();

  constructor(upload: NarUpload, draft: Draft) {
    this.#upload = upload;
    this.#draft = draft;
    this.#writes = new GatheredWrites(draft);
  }

  get size(): number {
    return this.#measure.bytes;
  }

  /** All its bytes, those that the draft began with included. */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#upload.offset > 0) {
      for await (const chunk of this.#draft.read()) {
        this.#measure.add(chunk);
        yield chunk;
      }
    }
    for await (const chunk of piecesOf(this.#upload.body)) {
      this.#measure.add(chunk);
      await this.#writes.write(chunk);
      yield chunk;
    }
    await this.flush();
  }

  flush(): Promise<void> {
    return this.#writes.flush();
  }

  /** 52 characters of Nix base 32. To be called once, at the end. */
  hash(): string {
    return this.#measure.hash();
  }
}

/** `decoder`: one whose last frame is complete. */
async function inspectSmall(
  nar: BundledNar,
  decoder: ZstdDecoder,
  turns: Turns,
): Promise<PackedNar> {
  const inspection = new NarInspection(nar.narSize);
  for (const piece of decoder.decode(nar.bytes)) {
    inspection.write(piece);
    await turns.giveWay();
  }
  decoder.end();
  const found = inspection.finish();
  checkClaim(nar, found);
  const fileHash = encodeNix32(createHash("sha256").update(nar.bytes).digest());
  const object = { ...found, fileHash, fileSize: nar.bytes.length };
  return { object, bytes: nar.bytes };
}
