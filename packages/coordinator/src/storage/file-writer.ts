import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { errnoOf } from "../error-facts.ts";
import { isAligned } from "./aligned-block.ts";

/** From here on a file is large. */
const LARGE_BYTES = 16 * 1024 * 1024;

/**
 * Writes a new file from its beginning to its end. What is behind the first megabytes of a large one goes past the page cache, as far as it comes in whole pages
 * (`alignedBlock`): copying it there costs more than to hash it, it would drive out what is read more often, and all of it would have to be waited for at the end.
 */
export class FileWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #handle: FileHandle;
  #position = 0;
  #direct: FileHandle | null = null;
  #mayBeDirect = true;
  #writing: Promise<void> = Promise.resolve();

  /** `handle`: the file at `path`, empty. It stays the caller's. */
  constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Appends. One call at a time. */
  write(bytes: Uint8Array): Promise<void> {
    this.#writing = this.#write(bytes);
    return this.#writing;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const isFit = this.#position >= LARGE_BYTES && isAligned(bytes, this.#position);
    if (isFit && (await this.#writeDirectly(bytes))) return;
    await this.#writeAll(this.#handle, bytes);
  }

  /** False when the file system does not do that; nothing is written then. */
  async #writeDirectly(bytes: Uint8Array): Promise<boolean> {
    if (!this.#mayBeDirect) return false;
    try {
      this.#direct ??= await open(this.#path, constants.O_WRONLY | constants.O_DIRECT);
      await this.#writeAll(this.#direct, bytes);
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#mayBeDirect = false;
      return false;
    }
  }

  async #writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, this.#position);
      at += bytesWritten;
      this.#position += bytesWritten;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#direct?.close();
  }
}

function isRefusal(error: unknown): boolean {
  return ["EINVAL", "ENOTSUP"].includes(errnoOf(error) ?? "");
}
