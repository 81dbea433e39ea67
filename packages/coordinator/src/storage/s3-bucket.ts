import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  NoSuchKey,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { BucketLocation } from "../config/object-store.ts";
import { UnavailableError, UserError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { ByteRange } from "../ports.ts";

/** How long things may take and how often they are tried. Milliseconds. */
export interface BucketTimes {
  readonly connectMs: number;
  /** From a request to its answer's head; one that is not answered is tried again. */
  readonly answerMs: number;
  /** Without a byte within an answer. */
  readonly silenceMs: number;
  /** Before the first further try; it doubles with each. */
  readonly pauseMs: number;
  readonly attempts: number;
}

const DEFAULT_TIMES: BucketTimes = {
  connectMs: 5000,
  answerMs: 60_000,
  silenceMs: 30_000,
  pauseMs: 200,
  attempts: 4,
};

/** What S3 takes as a part at least, and how many parts at most. */
const MIN_PART_BYTES = 5 * 1024 ** 2;
const MAX_PARTS = 10_000;
/** Parts of one object that are in memory, and on their way. */
const PARTS_AT_ONCE = 2;
/** Each download of a worker has one for as long as it takes. */
const MAX_SOCKETS = 512;
/** A download, or an upload, has to begin within so long. */
const ADDRESS_HOLDS_SECONDS = 900;

/** Under which condition an object is written: nothing is there, or what was looked at before. */
export type WriteCondition = { IfNoneMatch: "*" } | { IfMatch: string };

/** Bytes of an object, and what it takes to go on with them. */
export interface OpenedObject {
  readonly body: Readable;
  /** Bytes that the body should have. */
  readonly length: number;
  readonly etag: string | undefined;
}

/**
 * Objects of one bucket below one prefix. What the store does not answer, or answers with a failure after several tries, is an UnavailableError: only its plain
 * word makes an object missing.
 */
export class S3Bucket implements Disposable {
  readonly times: BucketTimes;
  readonly #location: BucketLocation;
  readonly #client: S3Client;
  readonly #logger: Logger;

  constructor(location: BucketLocation, logger: Logger, times: Partial<BucketTimes> = {}) {
    this.#location = location;
    this.#logger = logger;
    this.times = { ...DEFAULT_TIMES, ...times };
    const { connectMs, answerMs, silenceMs, attempts } = this.times;
    this.#client = new S3Client({
      region: location.region,
      ...(location.endpoint === null ? {} : { endpoint: location.endpoint, forcePathStyle: true }),
      maxAttempts: attempts,
      // Not every store knows AWS's newer checksums; a NAR has its own.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: {
        connectionTimeout: connectMs,
        requestTimeout: answerMs,
        throwOnRequestTimeout: true,
        socketTimeout: silenceMs,
        httpAgent: { maxSockets: MAX_SOCKETS },
        httpsAgent: { maxSockets: MAX_SOCKETS },
      },
    });
  }

  /** Throws UserError when the store refuses us; one that is away may come back, and is only warned of. */
  async check(): Promise<void> {
    const { bucket, endpoint } = this.#location;
    try {
      await this.probe();
    } catch (cause) {
      const status = statusOf(cause);
      const isRefusal = status !== null && status < 500;
      if (isRefusal || isWithoutCredentials(cause)) {
        throw new UserError(
          `bucket "${bucket}" of ${endpoint ?? "AWS"} cannot be used (${reasonOf(cause)}): look at its name, its region and the credentials`,
          { exitCode: 1, cause },
        );
      }
      this.#warn("check", cause);
    }
  }

  /** Whether the store answers for the bucket; rejects with its own words when not. */
  async probe(): Promise<void> {
    await this.#client.send(new HeadBucketCommand({ Bucket: this.#location.bucket }));
  }

  /** False when the condition does not hold. */
  async put(name: string, bytes: Uint8Array, condition: WriteCondition): Promise<boolean> {
    return this.#written("put", () =>
      this.#client.send(
        new PutObjectCommand({
          ...this.#object(name),
          ...condition,
          Body: bytes,
          ContentLength: bytes.length,
        }),
      ),
    );
  }

  /** A file, in parts when it is large. False when the condition does not hold. */
  async putFile(
    name: string,
    file: { path: string; size: number },
    condition: WriteCondition,
  ): Promise<boolean> {
    const body = createReadStream(file.path, { highWaterMark: 1024 ** 2 });
    try {
      return await this.#written("put", () =>
        new Upload({
          client: this.#client,
          params: { ...this.#object(name), ...condition, Body: body },
          partSize: Math.max(MIN_PART_BYTES, Math.ceil(file.size / MAX_PARTS)),
          queueSize: PARTS_AT_ONCE,
        }).done(),
      );
    } finally {
      body.destroy();
    }
  }

  /** Within the bucket, while `from` still has the etag. False when the condition does not hold, or `from` has another one. */
  async copy(
    from: { name: string; etag: string | undefined },
    name: string,
    condition: WriteCondition,
  ): Promise<boolean> {
    const { Bucket: bucket, Key: key } = this.#object(from.name);
    return this.#written("copy", () =>
      this.#client.send(
        new CopyObjectCommand({
          ...this.#object(name),
          ...condition,
          CopySource: `${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`,
          CopySourceIfMatch: from.etag,
        }),
      ),
    );
  }

  /** Null when there is none. */
  async facts(name: string): Promise<{ size: number; etag: string | undefined } | null> {
    try {
      const answer = await this.#client.send(new HeadObjectCommand(this.#object(name)));
      return { size: answer.ContentLength ?? 0, etag: answer.ETag };
    } catch (error) {
      if (statusOf(error) !== 404) throw this.#unavailable("head", error);
    }
    // An answer to HEAD has no words: what is missing may be the bucket.
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#location.bucket }));
      return null;
    } catch (error) {
      throw this.#unavailable("head", error);
    }
  }

  /** Null when there is none. `etag`: of what was opened before, if this goes on with it. */
  async get(
    name: string,
    range: ByteRange | undefined,
    etag?: string,
  ): Promise<OpenedObject | null> {
    try {
      const answer = await this.#client.send(
        new GetObjectCommand({
          ...this.#object(name),
          ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
          ...(etag === undefined ? {} : { IfMatch: etag }),
        }),
      );
      const { Body: body, ContentLength: length } = answer;
      if (!(body instanceof Readable) || length === undefined) {
        throw new Error("the answer has no body with a length");
      }
      return { body, length, etag: answer.ETag };
    } catch (error) {
      // A bucket that is missing is 404, too, and so is much that stands before a store.
      if (error instanceof NoSuchKey) return null;
      throw this.#unavailable("get", error);
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await this.#client.send(new DeleteObjectCommand(this.#object(name)));
    } catch (error) {
      throw this.#unavailable("delete", error);
    }
  }

  /** Names of all objects that begin so, up to 1000 at a time. `before`: only those that were written before that time, in milliseconds. */
  async *names(
    beginning: string,
    before = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<string[], void, undefined> {
    const { bucket, prefix } = this.#location;
    const input = { Bucket: bucket, Prefix: `${prefix}${beginning}` };
    try {
      for await (const page of paginateListObjectsV2({ client: this.#client }, input)) {
        yield (page.Contents ?? []).flatMap(({ Key: key, LastModified: writtenAt }) => {
          const isEarlier = (writtenAt?.getTime() ?? 0) < before;
          return key !== undefined && isEarlier ? key.slice(prefix.length) : [];
        });
      }
    } catch (error) {
      throw this.#unavailable("list", error);
    }
  }

  /** Where anybody can download the object, if it is there, for a while. */
  async address(name: string, contentType: string): Promise<string> {
    return this.#signed(
      new GetObjectCommand({ ...this.#object(name), ResponseContentType: contentType }),
    );
  }

  /** Where anybody can put exactly so many bytes, with `If-None-Match: *`, for a while. */
  async uploadAddress(name: string, size: number): Promise<string> {
    return this.#signed(
      new PutObjectCommand({ ...this.#object(name), ContentLength: size, IfNoneMatch: "*" }),
    );
  }

  unavailable(cause: unknown): UnavailableError {
    return this.#unavailable("get", cause);
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  async #signed(command: GetObjectCommand | PutObjectCommand): Promise<string> {
    try {
      return await getSignedUrl(this.#client, command, { expiresIn: ADDRESS_HOLDS_SECONDS });
    } catch (error) {
      throw this.#unavailable("sign", error);
    }
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#location.bucket, Key: `${this.#location.prefix}${name}` };
  }

  async #written(operation: string, write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      if (statusOf(error) === 412) return false;
      throw this.#unavailable(operation, error);
    }
  }

  #unavailable(operation: string, error: unknown): UnavailableError {
    this.#warn(operation, error);
    return new UnavailableError("the object store does not do what it should; try again later");
  }

  /** Of an error only this: the client's have requests in them, and those their signatures. */
  #warn(operation: string, error: unknown): void {
    this.#logger.warn({ operation, reason: reasonOf(error) }, "the object store fails");
  }
}

function statusOf(error: unknown): number | null {
  return error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? null) : null;
}

function isWithoutCredentials(error: unknown): boolean {
  return error instanceof Error && error.name === "CredentialsProviderError";
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = statusOf(error);
  return `${error.name}${status === null ? "" : ` ${status}`}: ${error.message}`;
}
