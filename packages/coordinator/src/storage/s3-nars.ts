import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import pLimit from "p-limit";
import type { BucketLocation } from "../config/object-store.ts";
import { NotFoundError, UnavailableError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { ByteRange, NarPlace } from "../ports.ts";
import { Drafts, type Draft } from "./drafts.ts";
import {
  narHashOf,
  narName,
  type NarStaging,
  type NarStorage,
  type StagedNar,
} from "./nar-storage.ts";
import { S3Bucket, type BucketTimes, type OpenedObject, type WriteCondition } from "./s3-bucket.ts";

const NARS = "nar/";
const STAGED = "staged/";
const NAR_TYPE = "application/x-nix-nar";
/** Each has two parts in memory. */
const UPLOADS_AT_ONCE = 4;
const SMALL_UPLOADS_AT_ONCE = 16;

/** Verified NARs as objects `nar/<2 characters>/<NAR hash>.nar.zst`, named as files on a disk are. What comes in is on this machine's disk until it is verified, or an object `staged/<name>`. */
export class S3Nars implements NarStorage {
  readonly staging: NarStaging = {
    address: (name, fileSize) => this.#bucket.uploadAddress(`${STAGED}${name}`, fileSize),
    open: (name) => this.#openStaged(`${STAGED}${name}`),
  };
  readonly #bucket: S3Bucket;
  readonly #drafts: Drafts;
  readonly #small = pLimit(SMALL_UPLOADS_AT_ONCE);

  private constructor(bucket: S3Bucket, drafts: Drafts) {
    this.#bucket = bucket;
    this.#drafts = drafts;
  }

  /** Throws UserError when the store refuses the bucket. */
  static async open(options: {
    dataDir: string;
    location: BucketLocation;
    logger: Logger;
    times?: Partial<BucketTimes>;
  }): Promise<S3Nars> {
    const bucket = new S3Bucket(options.location, options.logger, options.times);
    const uploads = pLimit(UPLOADS_AT_ONCE);
    const drafts = await Drafts.open(join(options.dataDir, "nar"), ({ path }, narHash) =>
      uploads(async () => {
        const file = { path, size: (await stat(path)).size };
        await write(bucket, narHash, (name, condition) => bucket.putFile(name, file, condition));
      }),
    );
    await bucket.check();
    return new S3Nars(bucket, drafts);
  }

  async place(narHash: string): Promise<NarPlace> {
    return { kind: "url", url: await this.#bucket.address(objectName(narHash), NAR_TYPE) };
  }

  /** Nothing lies here. */
  readNow(): null {
    return null;
  }

  readPartNow(): null {
    return null;
  }

  async read(narHash: string, range?: ByteRange): Promise<Readable> {
    return this.#read(objectName(narHash), range);
  }

  async #read(name: string, range?: ByteRange, etag?: string): Promise<Readable> {
    const first = await this.#bucket.get(name, range, etag);
    if (first === null) throw new NotFoundError(`${name} is missing in the object store`);
    const stream = Readable.from(this.#goOn(name, range?.start ?? 0, first), { objectMode: false });
    // Nobody may have begun to read.
    stream.once("close", () => first.body.destroy());
    return stream;
  }

  /** The bytes of an answer, and of further ones where it breaks off. Gives up when several in a row bring nothing. */
  async *#goOn(
    name: string,
    start: number,
    first: OpenedObject,
  ): AsyncGenerator<Buffer, void, undefined> {
    const { attempts, pauseMs } = this.#bucket.times;
    const end = start + first.length;
    let at = start;
    let opened = first;
    for (let tries = 1; ; tries += 1) {
      let failure: unknown = new Error(`the answer ended before byte ${end}`);
      try {
        for await (const chunk of opened.body as AsyncIterable<Buffer>) {
          yield chunk;
          at += chunk.length;
          tries = 1;
        }
      } catch (error) {
        failure = error;
      }
      if (at === end) return;
      if (tries >= attempts) throw this.#bucket.unavailable(failure);
      await pause(pauseMs * 2 ** (tries - 1));
      const next = await this.#bucket.get(name, { start: at, end }, first.etag);
      if (next === null) throw new NotFoundError(`${name} went away while it was read`);
      opened = next;
    }
  }

  async #openStaged(name: string): Promise<StagedNar | null> {
    const bucket = this.#bucket;
    const facts = await bucket.facts(name);
    if (facts === null) return null;
    const { etag } = facts;
    return {
      read: () => this.#read(name, undefined, etag),
      keep: (narHash) =>
        write(bucket, narHash, (to, condition) => bucket.copy({ name, etag }, to, condition)),
      remove: () => bucket.remove(name),
    };
  }

  async size(narHash: string): Promise<number | null> {
    return (await this.#bucket.facts(objectName(narHash)))?.size ?? null;
  }

  async remove(narHash: string): Promise<void> {
    await this.#bucket.remove(objectName(narHash));
  }

  async removeMany(narHashes: readonly string[]): Promise<void> {
    await this.#small.map(narHashes, (narHash) => this.remove(narHash));
  }

  async *hashes(): AsyncGenerator<string[], void, undefined> {
    for await (const names of this.#bucket.names(NARS)) {
      yield names.flatMap((name) => narHashOf(name.slice(NARS.length)) ?? []);
    }
  }

  async store(objects: readonly { narHash: string; bytes: Uint8Array }[]): Promise<void> {
    const bucket = this.#bucket;
    await this.#small.map(objects, ({ narHash, bytes }) =>
      write(bucket, narHash, (name, condition) => bucket.put(name, bytes, condition)),
    );
  }

  draft(): Promise<Draft> {
    return this.#drafts.draft();
  }

  stagedBytes(name: string): Promise<number> {
    return this.#drafts.stagedBytes(name);
  }

  resume(name: string): Promise<Draft | null> {
    return this.#drafts.resume(name);
  }

  async removeStaged(before: number): Promise<void> {
    await this.#drafts.removeStaged(before);
    for await (const names of this.#bucket.names(STAGED, before)) {
      await this.#small.map(names, (name) => this.#bucket.remove(name));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bucket[Symbol.dispose]();
  }
}

function objectName(narHash: string): string {
  return `${NARS}${narName(narHash)}`;
}

/**
 * Writes an object where there is none. One that is there has no row in the database (it is written only then), so it was left by a crash, or by an answer that was lost: it is
 * replaced, unless somebody else writes at the same time.
 */
async function write(
  bucket: S3Bucket,
  narHash: string,
  put: (name: string, condition: WriteCondition) => Promise<boolean>,
): Promise<void> {
  const name = objectName(narHash);
  if (await put(name, { IfNoneMatch: "*" })) return;
  const etag = (await bucket.facts(name))?.etag;
  if (etag !== undefined && (await put(name, { IfMatch: etag }))) return;
  throw new UnavailableError(`NAR ${narHash} is being written by another coordinator; try again`);
}
