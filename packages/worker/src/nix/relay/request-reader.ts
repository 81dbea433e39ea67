/**
 * Reads a request of the worker protocol from the bytes that are here. Where they end too early `isShort` becomes true, and what was
 * read means nothing: it is read again when there are more.
 */
export class RequestReader {
  readonly #bytes: Buffer;
  #at: number;
  #isShort = false;
  #neededBytes = 0;

  /** `at`: so many have been read before. */
  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isShort(): boolean {
    return this.#isShort;
  }

  /** Once it is short: fewer bytes than these, counted from the first, are no whole request. */
  get neededBytes(): number {
    return this.#neededBytes;
  }

  /** Bytes that were read. */
  get at(): number {
    return this.#at;
  }

  /** The bytes that were read. */
  soFar(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  number(): number {
    const at = this.#skip(8);
    if (this.#isShort) return 0;
    return this.#bytes.readUInt32LE(at) + this.#bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
  }

  string(): string {
    const sizeBytes = this.number();
    const at = this.#skip(Math.ceil(sizeBytes / 8) * 8);
    return this.#isShort ? "" : this.#bytes.toString("latin1", at, at + sizeBytes);
  }

  /** As they are; a view of those that are here. */
  bytes(): Buffer {
    const sizeBytes = this.number();
    const at = this.#skip(Math.ceil(sizeBytes / 8) * 8);
    return this.#bytes.subarray(at, at + sizeBytes);
  }

  /** The next bytes, whatever they say. */
  head(sizeBytes: number): Buffer {
    const at = this.#skip(sizeBytes);
    return this.#bytes.subarray(at, at + sizeBytes);
  }

  strings(): string[] {
    const length = this.number();
    const strings: string[] = [];
    for (let index = 0; index < length && !this.#isShort; index += 1) strings.push(this.string());
    return strings;
  }

  /** The next frame of the content behind a request; empty is the last one. */
  frame(): Buffer {
    return this.head(this.number());
  }

  #skip(sizeBytes: number): number {
    const at = this.#at;
    if (at + sizeBytes <= this.#bytes.length) {
      this.#at += sizeBytes;
    } else if (!this.#isShort) {
      this.#isShort = true;
      this.#neededBytes = at + sizeBytes;
    }
    return at;
  }
}
