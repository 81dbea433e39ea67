import type { Clock } from "../clock.ts";
import {
  findCacheDocument,
  findDocumentBytes,
  putCacheDocument,
} from "../db/cache-document-repository.ts";
import type { Database } from "../db/client.ts";
import { PayloadTooLargeError } from "../errors.ts";
import { Turns } from "../intake/turns.ts";
import { ZstdDecoder } from "../intake/zstd-decoder.ts";
import { ZstdEncoder } from "../intake/zstd-encoder.ts";
import type { CacheRoom } from "./cache-room.ts";

/** What uploaders leave beside the paths of a cache: logs, realisations, the index of debug information. Kept packed in the database. */
export class CacheDocuments {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #room: CacheRoom;

  constructor(options: { database: Database; clock: Clock; room: CacheRoom }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#room = options.room;
  }

  /** Stores a document; the newest of a name stays. Throws PayloadTooLargeError, and what `CacheRoom.requireBeside` throws. */
  async put(
    cacheId: string,
    name: string,
    body: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): Promise<void> {
    const encoder = new ZstdEncoder();
    const turns = new Turns();
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        throw new PayloadTooLargeError(`${name} is larger than ${maxBytes} bytes`);
      }
      for (const piece of encoder.encode(chunk)) pieces.push(Buffer.from(piece));
      await turns.giveWay();
    }
    for (const piece of encoder.end()) pieces.push(Buffer.from(piece));
    const packed = Buffer.concat(pieces);
    await this.#database.transaction(async ({ kysely }) => {
      const replacedBytes = await findDocumentBytes(kysely, cacheId, name);
      const file = { what: name, bytes: packed.length, replacedBytes };
      await this.#room.requireBeside(kysely, cacheId, file);
      await putCacheDocument(kysely, { cacheId, name, body: packed, now: this.#clock.now() });
    });
  }

  /** The document in pieces that are the caller's to keep; null when there is none. */
  async open(
    cacheId: string,
    name: string,
  ): Promise<AsyncGenerator<Buffer, void, undefined> | null> {
    const packed = await findCacheDocument(this.#database.kysely, cacheId, name);
    return packed === null ? null : unpack(packed);
  }

  /** A small document as text. */
  async text(cacheId: string, name: string): Promise<string | null> {
    const packed = await findCacheDocument(this.#database.kysely, cacheId, name);
    return packed === null ? null : unpackText(packed);
  }
}

/** A small document as text. Throws UnprocessableError for what is not zstd. */
export async function unpackText(packed: Uint8Array): Promise<string> {
  const all: Buffer[] = [];
  for await (const piece of unpack(packed)) all.push(piece);
  return Buffer.concat(all).toString("utf8");
}

async function* unpack(packed: Uint8Array): AsyncGenerator<Buffer, void, undefined> {
  const decoder = new ZstdDecoder();
  const turns = new Turns();
  for (const piece of decoder.decode(packed)) {
    yield Buffer.from(piece);
    await turns.giveWay();
  }
}
