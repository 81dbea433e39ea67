/** Keeps the last bytes of a stream: enough for an error message, however much a program writes. */
export class TailBuffer {
  readonly #limitBytes: number;
  #chunks: Uint8Array[] = [];
  #sizeBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#sizeBytes += chunk.length;
    // Joined only when twice the limit is held, so that many small chunks do not cost a copy each.
    if (this.#sizeBytes > 2 * this.#limitBytes) this.#trim();
  }

  /** UTF-8 with replacement characters. */
  text(): string {
    this.#trim();
    return Buffer.concat(this.#chunks).toString("utf8");
  }

  #trim(): void {
    const joined = Buffer.concat(this.#chunks);
    const kept = joined.subarray(Math.max(0, joined.length - this.#limitBytes));
    this.#chunks = [kept];
    this.#sizeBytes = kept.length;
  }
}
