import { createHash } from "node:crypto";
import { encodeNix32 } from "@gradient/protocol";
import { PayloadTooLargeError } from "../errors.ts";
import { KeyedLock } from "../intake/keyed-lock.ts";
import type { Draft } from "../storage/drafts.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { takePiece, type UploadPieces } from "../storage/upload-pieces.ts";

/** What an upload in pieces is known by: nobody goes on with the pieces of another. */
export function stagedName(upload: { userId: string; cacheId: string; hashPart: string }): string {
  const { userId, cacheId, hashPart } = upload;
  const digest = createHash("sha256").update(`${userId} ${cacheId} ${hashPart}`).digest();
  return `cache-${encodeNix32(digest)}`;
}

/** Files on their way that come in pieces, each request with the next one. */
export class StagedUploads {
  readonly #files: NarStorage;
  readonly #maxBytes: number;
  readonly #lock = new KeyedLock();

  constructor(files: NarStorage, maxBytes: number) {
    this.#files = files;
    this.#maxBytes = maxBytes;
  }

  /** As `takePiece` does; resolves to the bytes that are kept now. Throws PayloadTooLargeError. */
  async append(name: string, offset: number, body: AsyncIterable<Uint8Array>): Promise<number> {
    return await this.#lock.hold([name], () =>
      takePiece(this.#pieces(name), offset, body, (bytes) => this.#check(bytes)),
    );
  }

  /** The whole file, out of reach of further pieces; null when there is none. Disposing it removes it. */
  async take(name: string): Promise<Draft | null> {
    return await this.#lock.hold([name], () => this.#files.resume(name));
  }

  #pieces(name: string): UploadPieces {
    return {
      size: () => this.#files.stagedBytes(name),
      append: async (contents) => {
        await using draft = (await this.#files.resume(name)) ?? (await this.#files.draft());
        try {
          for await (const chunk of contents) await draft.write(chunk);
        } finally {
          await draft.stage(name);
        }
      },
      remove: async () => {
        await using _removed = await this.#files.resume(name);
      },
    };
  }

  #check(bytes: number): void {
    if (bytes <= this.#maxBytes) return;
    throw new PayloadTooLargeError(
      `the file is larger than the ${this.#maxBytes} bytes that this server takes (GRADIENT_MAX_NAR_UPLOAD_SIZE)`,
    );
  }
}
