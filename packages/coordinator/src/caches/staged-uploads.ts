import { createHash } from "node:crypto";
import { encodeNix32 } from "@gradient/protocol";
import { PayloadTooLargeError } from "../errors.ts";
import { KeyedLock } from "../intake/keyed-lock.ts";
import type { Draft } from "../storage/drafts.ts";
import type { NarStorage } from "../storage/nar-storage.ts";

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

  /**
   * Appends a piece when it begins where the kept bytes end; at offset 0 it begins anew. Resolves to the bytes that are kept now: with any other
   * offset nothing is appended, and the client goes on from there. Throws PayloadTooLargeError, and nothing is kept then.
   */
  async append(name: string, offset: number, body: AsyncIterable<Uint8Array>): Promise<number> {
    return await this.#lock.hold([name], async () => {
      const kept = await this.#files.stagedBytes(name);
      if (offset !== 0 && offset !== kept) {
        for await (const chunk of body) void chunk;
        return kept;
      }
      const draft = kept === 0 ? null : await this.#files.resume(name);
      await using old = offset === 0 ? draft : null;
      void old;
      const target = offset === 0 || draft === null ? await this.#files.draft() : draft;
      return await this.#fill(target, name, offset, body);
    });
  }

  /** What came before the client went away is kept, too. */
  async #fill(
    target: Draft,
    name: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    await using draft = target;
    let bytes = offset;
    try {
      for await (const chunk of body) {
        if (bytes + chunk.length > this.#maxBytes) throw this.#tooLarge();
        await draft.write(chunk);
        bytes += chunk.length;
      }
    } catch (error) {
      if (!(error instanceof PayloadTooLargeError)) await draft.stage(name);
      throw error;
    }
    await draft.stage(name);
    return bytes;
  }

  /** The whole file, out of reach of further pieces; null when there is none. Disposing it removes it. */
  async take(name: string): Promise<Draft | null> {
    return await this.#lock.hold([name], () => this.#files.resume(name));
  }

  #tooLarge(): PayloadTooLargeError {
    return new PayloadTooLargeError(
      `the file is larger than the ${this.#maxBytes} bytes that this server takes (GRADIENT_MAX_NAR_UPLOAD_SIZE)`,
    );
  }
}
