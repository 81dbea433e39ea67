/** Builds one request of the worker protocol: 64 bit little endian numbers, strings padded with zeros to 8 bytes. */
export class Request {
  readonly #pieces: Buffer[] = [];

  number(value: number | bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    this.#pieces.push(bytes);
    return this;
  }

  boolean(value: boolean): this {
    return this.number(value ? 1 : 0);
  }

  string(value: string): this {
    return this.byteString(Buffer.from(value, "utf8"));
  }

  byteString(value: Buffer): this {
    this.number(value.length);
    this.#pieces.push(value);
    if (value.length % 8 !== 0) this.#pieces.push(Buffer.alloc(8 - (value.length % 8)));
    return this;
  }

  /** Bytes that are in the protocol's words already. */
  raw(bytes: Uint8Array): this {
    this.#pieces.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    return this;
  }

  strings(values: readonly string[]): this {
    this.number(values.length);
    for (const value of values) this.string(value);
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
