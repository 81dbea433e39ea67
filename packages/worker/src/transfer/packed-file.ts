import { randomUUID } from "node:crypto";
import { mkdir, open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

const READ_BYTES = 256 * 1024;

/** Bytes whose number has to be known before they are sent, on the disk. The file has no name: nothing is left of it however this process ends. */
export class PackedFile implements AsyncDisposable {
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  /** Takes the source to its end. The directory is made where it is missing. */
  static async write(directory: string, source: AsyncIterable<Uint8Array>): Promise<PackedFile> {
    await mkdir(directory, { recursive: true });
    const path = join(directory, `${randomUUID()}.nar`);
    const handle = await open(path, "wx+", 0o600);
    try {
      await rm(path);
      let size = 0;
      for await (const chunk of source) {
        await handle.writeFile(chunk);
        size += chunk.length;
      }
      return new PackedFile(handle, size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** From the first byte, as often as it is called. */
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < this.size;) {
      const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, this.size - at));
      const { bytesRead } = await this.#handle.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new Error(`a packed NAR has lost what was behind byte ${at}`);
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}
