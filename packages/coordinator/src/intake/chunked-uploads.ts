import { createHash } from "node:crypto";
import { ConflictError } from "../errors.ts";
import type { StagedFile, StagedFiles } from "../storage/staged-files.ts";
import { drain } from "./drain.ts";
import { KeyedLock } from "./keyed-lock.ts";

/** A file that comes in chunks, each request with the next one. */
export interface UploadName {
  /** Id of the user or the cache whose space it takes. */
  readonly owner: string;
  /** What tells it from the owner's others: any text. */
  readonly name: string;
}

/** Is told how many bytes a file is about to have, and how many the owner's others have. Throws a CoordinatorError when that is too much. */
export type CheckUpload = (bytes: number, otherBytes: number) => void;

/** Files of one owner that are not finished. */
const MAX_UPLOADS = 256;

/** Files that come in chunks. One request at a time works on each. */
export class ChunkedUploads {
  readonly #files: StagedFiles;
  readonly #checkFor: (owner: string) => CheckUpload | Promise<CheckUpload>;
  readonly #lock = new KeyedLock();

  constructor(files: StagedFiles, checkFor: (owner: string) => CheckUpload | Promise<CheckUpload>) {
    this.#files = files;
    this.#checkFor = checkFor;
  }

  /**
   * Takes the bytes from `offset` on: 0 begins anew, the current length goes on, and at any other place nothing is added. Resolves to the length that is there then.
   * Of a file that is refused nothing stays; what broke off can go on. Throws ConflictError when the owner has too many others, and what its check throws.
   */
  take(upload: UploadName, offset: number, contents: AsyncIterable<Uint8Array>): Promise<number> {
    return this.#hold(upload, async (file) => {
      if (offset === 0) await file.remove();
      if (offset !== file.size) {
        await drain(contents);
        return file.size;
      }
      const { owner } = upload;
      const check = await this.#checkFor(owner);
      const admission = new Admission(contents, (added) => {
        if (file.size === 0) this.#checkCount(owner);
        check(file.size + added, this.#files.bytesOf(owner) - file.size);
      });
      await file.append(admission.admitted());
      if (admission.refusal !== null) {
        await file.remove();
        throw admission.refusal;
      }
      return file.size;
    });
  }

  /**
   * Gives the whole file to `run`, and removes it when that is done. Resolves to null when there is none. Until then it counts among the owner's. `isRefusal`: whether a
   * file is of no use any more after this failure.
   */
  finish<T>(
    upload: UploadName,
    run: (file: StagedFile) => Promise<T>,
    isRefusal: (error: unknown) => boolean,
  ): Promise<T | null> {
    return this.#hold(upload, async (file) => {
      if (file.size === 0) return null;
      try {
        const result = await run(file);
        await file.remove();
        return result;
      } catch (error) {
        if (isRefusal(error)) await file.remove();
        throw error;
      }
    });
  }

  #hold<T>({ owner, name }: UploadName, run: (file: StagedFile) => Promise<T>): Promise<T> {
    const digest = createHash("sha256").update(name).digest("hex");
    return this.#lock.hold([`${owner} ${digest}`], () => run(this.#files.file(owner, digest)));
  }

  #checkCount(owner: string): void {
    if (this.#files.countOf(owner) < MAX_UPLOADS) return;
    throw new ConflictError(
      `${MAX_UPLOADS} uploads in chunks are not finished: finish some of them, give some up with an empty chunk at offset 0, or wait a day until they are removed`,
      { code: "too_many_uploads" },
    );
  }
}

/** Chunks that are let in until one is refused. The rest is read all the same: a client that still sends would see a broken connection instead of the answer. */
class Admission {
  refusal: unknown = null;
  readonly #contents: AsyncIterable<Uint8Array>;
  readonly #check: (bytes: number) => void;

  constructor(contents: AsyncIterable<Uint8Array>, check: (bytes: number) => void) {
    this.#contents = contents;
    this.#check = check;
  }

  async *admitted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#contents) {
      if (this.refusal !== null) continue;
      try {
        this.#check(chunk.length);
      } catch (error) {
        this.refusal = error;
        continue;
      }
      yield chunk;
    }
  }
}
