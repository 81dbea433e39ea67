import { subscribe, unsubscribe } from "node:diagnostics_channel";

/** Told by the HTTP client for each piece of a body. */
const SENT = "undici:request:bodyChunkSent";
const RECEIVED = "undici:request:bodyChunkReceived";

/** Counts the bytes of all bodies that this process sends and receives by HTTP: all of them are transfers. */
export class TransferMeter implements Disposable {
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor() {
    subscribe(SENT, this.#onSent);
    subscribe(RECEIVED, this.#onReceived);
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  [Symbol.dispose](): void {
    unsubscribe(SENT, this.#onSent);
    unsubscribe(RECEIVED, this.#onReceived);
  }

  readonly #onSent = (message: unknown): void => {
    this.#sentBytes += chunkBytes(message);
  };

  readonly #onReceived = (message: unknown): void => {
    this.#receivedBytes += chunkBytes(message);
  };
}

function chunkBytes(message: unknown): number {
  if (typeof message !== "object" || message === null || !("chunk" in message)) return 0;
  const { chunk } = message;
  if (typeof chunk === "string") return Buffer.byteLength(chunk);
  return chunk instanceof Uint8Array ? chunk.byteLength : 0;
}
