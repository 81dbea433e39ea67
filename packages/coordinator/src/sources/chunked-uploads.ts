import { createHash } from "node:crypto";
import { BadRequestError, PayloadTooLargeError } from "../errors.ts";
import { KeyedLock } from "../intake/keyed-lock.ts";
import type { SourceFiles, StagedUpload } from "../storage/source-files.ts";

/** A user's upload, by the name that they gave it. */
export interface UploadName {
  readonly user: string;
  readonly upload: string;
}

/** All that a user has begun to send, in sources of the largest size. */
const MAX_SOURCES_PER_USER = 4;

/** NARs of sources that come in chunks. One request at a time works on an upload. */
export class ChunkedUploads {
  readonly #files: SourceFiles;
  readonly #maxBytes: number;
  readonly #lock = new KeyedLock();

  constructor(files: SourceFiles, maxBytes: number) {
    this.#files = files;
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the bytes from `offset` on: 0 begins anew, the current length goes on, and at any other place nothing is added.
   * Resolves to the length that is there then. Throws PayloadTooLargeError.
   */
  take(name: UploadName, offset: number, contents: AsyncIterable<Uint8Array>): Promise<number> {
    return this.#hold(name, async (staged) => {
      if (offset === 0) await staged.remove();
      const length = await staged.size();
      if (offset === length) {
        const others = (await this.#files.uploadedBytes(name.user)) - length;
        await this.#append(staged, this.#bounded(contents, length, others));
      } else {
        // Read to its end: a client that still sends would see a broken connection instead of the answer.
        for await (const chunk of contents) void chunk;
      }
      return staged.size();
    });
  }

  /** Gives the whole NAR to `run` and removes it when that was done. Throws BadRequestError when there is nothing. */
  finish<T>(name: UploadName, run: (nar: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
    return this.#hold(name, async (staged) => {
      if ((await staged.size()) === 0) {
        throw new BadRequestError(`nothing was uploaded as ${JSON.stringify(name.upload)}`);
      }
      const result = await run(staged.read()).catch(async (error: unknown) => {
        // What is no NAR will not be one the next time.
        if (error instanceof BadRequestError && error.code === "bad_nar") await staged.remove();
        throw error;
      });
      await staged.remove();
      return result;
    });
  }

  #hold<T>({ user, upload }: UploadName, run: (staged: StagedUpload) => Promise<T>): Promise<T> {
    const name = createHash("sha256").update(upload).digest("hex");
    return this.#lock.hold([`${user} ${name}`], () => run(this.#files.upload(user, name)));
  }

  async #append(staged: StagedUpload, contents: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await staged.append(contents);
    } catch (error) {
      // What is too large stays so; what broke off can go on.
      if (error instanceof PayloadTooLargeError) await staged.remove();
      throw error;
    }
  }

  async *#bounded(
    contents: AsyncIterable<Uint8Array>,
    before: number,
    others: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let length = before;
    for await (const chunk of contents) {
      length += chunk.length;
      if (length > this.#maxBytes) {
        throw new PayloadTooLargeError(`a source may have ${this.#maxBytes} bytes at most`);
      }
      if (others + length > MAX_SOURCES_PER_USER * this.#maxBytes) {
        throw new PayloadTooLargeError(
          "your other uploads take up all of your space: finalize them, or wait a day until they are removed",
        );
      }
      yield chunk;
    }
  }
}
