import { randomFillSync } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { v7 as uuidv7 } from "uuid";

export const REQUEST_ID_HEADER = "x-request-id";

const RANDOM_BYTES = 16;
const POOL_BYTES = 256 * RANDOM_BYTES;

/** Names requests. Chance is drawn for many ids at once: asking the system for each would be the dearest part of a cached answer. */
export class RequestIds {
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #used = POOL_BYTES;

  /** The id that the client (or a proxy) gave the request, if it is fit to be sent and logged, else a new UUID version 7. */
  of(request: Pick<IncomingMessage, "headers">): string {
    const given = request.headers[REQUEST_ID_HEADER];
    return typeof given === "string" && /^[\w.:/=+-]{1,128}$/.test(given) ? given : this.make();
  }

  /** A new id. */
  make(): string {
    if (this.#used === POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const random = this.#pool.subarray(this.#used, this.#used + RANDOM_BYTES);
    this.#used += RANDOM_BYTES;
    return uuidv7({ random });
  }
}
