const INITIAL_BYTES = 256;
const HIGH = 0x1_0000_0000;

/** Builds one request of the worker protocol: 64 bit little endian numbers, strings padded with zeros to 8 bytes. */
export class Request {
  #bytes: Buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  number(value: number | bigint): this {
    const at = this.#extend(8);
    if (typeof value === "bigint") {
      this.#bytes.writeBigUInt64LE(value, at);
    } else {
      this.#bytes.writeUInt32LE(value % HIGH, at);
      this.#bytes.writeUInt32LE(Math.floor(value / HIGH), at + 4);
    }
    return this;
  }

  boolean(value: boolean): this {
    return this.number(value ? 1 : 0);
  }

  string(value: string): this {
    const sizeBytes = Buffer.byteLength(value);
    this.number(sizeBytes);
    const at = this.#extend(padded(sizeBytes));
    this.#bytes.write(value, at);
    this.#bytes.fill(0, at + sizeBytes, this.#length);
    return this;
  }

  /** Each character stands for one byte. */
  latin1(value: string): this {
    return this.byteString(Buffer.from(value, "latin1"));
  }

  byteString(value: Buffer): this {
    this.number(value.length);
    const at = this.#extend(padded(value.length));
    this.#bytes.set(value, at);
    this.#bytes.fill(0, at + value.length, this.#length);
    return this;
  }

  /** Bytes that are in the protocol's words already. */
  raw(bytes: Uint8Array): this {
    const at = this.#extend(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  strings(values: readonly string[]): this {
    this.number(values.length);
    for (const value of values) this.string(value);
    return this;
  }

  /** What was added until now. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room for so many bytes more, and answers where they begin. */
  #extend(sizeBytes: number): number {
    const at = this.#length;
    this.#length += sizeBytes;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * this.#length);
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    return at;
  }
}

function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 8) * 8;
}
