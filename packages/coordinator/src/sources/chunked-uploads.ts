import { createHash } from "node:crypto";
import { BadRequestError, PayloadTooLargeError } from "../errors.ts";
import { KeyedLock } from "../intake/keyed-lock.ts";
import type { SourceFiles, StagedUpload } from "../storage/source-files.ts";
import { takePiece } from "../storage/upload-pieces.ts";

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

  /** As `takePiece` does; resolves to the length that is there then. Throws PayloadTooLargeError. */
  take(name: UploadName, offset: number, contents: AsyncIterable<Uint8Array>): Promise<number> {
    return this.#hold(name, async (staged) => {
      const others = (await this.#files.uploadedBytes(name.user)) - (await staged.size());
      return takePiece(staged, offset, contents, (bytes) => this.#check(bytes, others));
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

  #check(bytes: number, others: number): void {
    if (bytes > this.#maxBytes) {
      throw new PayloadTooLargeError(`a source may have ${this.#maxBytes} bytes at most`);
    }
    if (others + bytes > MAX_SOURCES_PER_USER * this.#maxBytes) {
      throw new PayloadTooLargeError(
        "your other uploads take up all of your space: finalize them, or wait a day until they are removed",
      );
    }
  }
}
