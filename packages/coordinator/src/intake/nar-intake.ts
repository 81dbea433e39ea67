import { createHash } from "node:crypto";
import { encodeNix32 } from "@gradient/protocol";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import {
  insertNarObjects,
  type FindNarObject,
  type NarObject,
} from "../db/nar-object-repository.ts";
import { UnprocessableError } from "../errors.ts";
import type { Draft, NarFiles } from "../storage/nar-files.ts";
import { Gate } from "./gate.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { NarInspection } from "./nar-inspection.ts";
import { Turns } from "./turns.ts";
import { ZstdDecoder } from "./zstd-decoder.ts";

/** What a worker says that it sends. */
export interface NarClaim {
  /** 52 characters of Nix base 32. */
  readonly narHash: string;
  readonly narSize: number;
}

/** A NAR in the form in which it will be stored. */
export interface PackedNar {
  readonly object: NarObject;
  readonly bytes: Uint8Array;
}

/** NARs that are decompressed at once. Each may need the window of its compression, 32 MiB for a large one; the bodies of others wait unread. */
const MAX_INSPECTIONS = 16;

/** Where NARs come in. Nothing is recorded that was not verified, and what is recorded is durable. */
export class NarIntake {
  readonly #database: Database;
  readonly #files: NarFiles;
  readonly #find: FindNarObject;
  readonly #clock: Clock;
  /** By NAR hash: the row and the file of an object are always from the same upload. */
  readonly #lock = new KeyedLock();
  readonly #gate = new Gate(MAX_INSPECTIONS);

  constructor(options: {
    database: Database;
    files: NarFiles;
    findNarObject: FindNarObject;
    clock: Clock;
  }) {
    this.#database = options.database;
    this.#files = options.files;
    this.#find = options.findNarObject;
    this.#clock = options.clock;
  }

  /**
   * Takes a zstd-compressed NAR as it streams: it is hashed, its structure checked and its references found on the way to the disk.
   * Nothing is kept unless everything is as claimed. Bytes that are there already are read and dropped.
   * Throws UnprocessableError that says what is wrong.
   */
  async take(claim: NarClaim, body: AsyncIterable<Uint8Array>): Promise<NarObject> {
    const known = this.#find(claim.narHash);
    if (known !== null) {
      await drain(body);
      if (known.narSize !== claim.narSize) throw sizeMismatch(claim, known.narSize);
      return known;
    }
    using _place = await this.#gate.enter();
    await using draft = await this.#files.draft();
    const object = await inspect(claim, body, draft);
    // Awaited here: the draft is removed when this function is left.
    return await this.#lock.hold([object.narHash], async () => {
      const first = this.#find(object.narHash);
      if (first !== null) return first;
      await draft.keep(object.narHash);
      await this.#record([object]);
      return object;
    });
  }

  /** Stores NARs that were made here. The ones that are there already stay. */
  async add(nars: readonly PackedNar[]): Promise<void> {
    const hashes = nars.map(({ object }) => object.narHash);
    await this.#lock.hold(hashes, async () => {
      const missing = nars.filter(({ object }) => this.#find(object.narHash) === null);
      await this.#files.store(
        missing.map(({ object, bytes }) => ({ narHash: object.narHash, bytes })),
      );
      await this.#record(missing.map(({ object }) => object));
    });
  }

  /** The result that uses an object makes its row durable, too. */
  #record(objects: readonly NarObject[]): Promise<void> {
    return this.#database.relaxedTransaction(({ kysely }) =>
      insertNarObjects(kysely, objects, this.#clock.now()),
    );
  }
}

async function inspect(
  claim: NarClaim,
  body: AsyncIterable<Uint8Array>,
  draft: Draft,
): Promise<NarObject> {
  const fileHash = createHash("sha256");
  const inspection = new NarInspection(claim.narSize);
  const decoder = new ZstdDecoder();
  const turns = new Turns();
  let fileSize = 0;
  for await (const chunk of body) {
    fileSize += chunk.length;
    fileHash.update(chunk);
    await Promise.all([
      draft.write(chunk),
      decodeInTurns(decoder, chunk, turns, (piece) => inspection.write(piece)),
    ]);
  }
  decoder.end();
  const found = inspection.finish();
  if (found.narSize !== claim.narSize) throw sizeMismatch(claim, found.narSize);
  if (found.narHash !== claim.narHash) {
    throw new UnprocessableError(
      `the NAR has hash sha256:${found.narHash}, not sha256:${claim.narHash} as announced: it was damaged or changed on the way`,
      { code: "nar_hash_mismatch" },
    );
  }
  return { ...found, fileHash: encodeNix32(fileHash.digest()), fileSize };
}

async function decodeInTurns(
  decoder: ZstdDecoder,
  chunk: Uint8Array,
  turns: Turns,
  take: (piece: Buffer) => void,
): Promise<void> {
  for (const piece of decoder.decode(chunk)) {
    take(piece);
    await turns.giveWay();
  }
}

/** The decompressed bytes of a stored object, in pieces that are valid until the next one. */
export async function* readNar(
  files: NarFiles,
  narHash: string,
): AsyncGenerator<Buffer, void, undefined> {
  const decoder = new ZstdDecoder();
  const turns = new Turns();
  for await (const chunk of files.read(narHash)) {
    for (const piece of decoder.decode(chunk)) {
      yield piece;
      await turns.giveWay();
    }
  }
  decoder.end();
}

function sizeMismatch(claim: NarClaim, size: number): UnprocessableError {
  return new UnprocessableError(`the NAR has ${size} bytes, not ${claim.narSize} as announced`, {
    code: "nar_size_mismatch",
  });
}

async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  // Read to its end: a client that still sends would see a broken connection instead of the answer.
  for await (const chunk of body) void chunk;
}
