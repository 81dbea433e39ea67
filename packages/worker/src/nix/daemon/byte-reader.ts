import type { Readable } from "node:stream";
import { DaemonProtocolError } from "../nix-error.ts";

/** No single string of the protocol is longer: a NAR travels in frames, and a log line of this size is no log line. */
const MAX_STRING_BYTES = 64 * 1024 * 1024;
const MAX_LIST_LENGTH = 10_000_000;

/** The stream ended while something was still expected. */
export class StreamEndedError extends Error {
  override name = "StreamEndedError";
}

/** Reads the worker protocol's numbers and strings: 64 bit little endian, strings padded with zeros to 8 bytes. */
export class ByteReader {
  readonly #stream: Readable;
  #held: Buffer = Buffer.alloc(0);
  #at = 0;
  #hasEnded = false;
  #wake: (() => void) | null = null;

  constructor(stream: Readable) {
    this.#stream = stream;
    const wake = (): void => {
      this.#wake?.();
      this.#wake = null;
    };
    const end = (): void => {
      this.#hasEnded = true;
      wake();
    };
    stream.on("readable", wake);
    stream.on("end", end);
    stream.on("close", end);
    stream.on("error", end);
  }

  /** Whether the next `sizeBytes` are here already. */
  has(sizeBytes: number): boolean {
    return this.#held.length - this.#at >= sizeBytes;
  }

  /** A view of what has come, which later reads leave as it is. Rejects with StreamEndedError when there are fewer. */
  async bytes(sizeBytes: number): Promise<Buffer> {
    if (!this.has(sizeBytes)) await this.#fill(sizeBytes);
    const bytes = this.#held.subarray(this.#at, this.#at + sizeBytes);
    this.#at += sizeBytes;
    return bytes;
  }

  /** What is here already, at least one byte. */
  async available(): Promise<Buffer> {
    if (!this.has(1)) await this.#fill(1);
    return this.bytes(this.#held.length - this.#at);
  }

  /** An unsigned number of 64 bits. */
  async bigint(): Promise<bigint> {
    return (await this.bytes(8)).readBigUInt64LE(0);
  }

  /** A number that has to be a safe integer. */
  async number(): Promise<number> {
    const bytes = await this.bytes(8);
    const high = bytes.readUInt32LE(4);
    if (high > 0x1f_ffff) throw new DaemonProtocolError("nix-daemon sent a number above 2^53");
    return high * 0x1_0000_0000 + bytes.readUInt32LE(0);
  }

  /** Decoded as UTF-8 with replacement characters. */
  async string(): Promise<string> {
    const sizeBytes = await this.number();
    if (sizeBytes > MAX_STRING_BYTES) {
      throw new DaemonProtocolError(`nix-daemon sent a string of ${sizeBytes} bytes`);
    }
    const padded = await this.bytes(Math.ceil(sizeBytes / 8) * 8);
    return padded.toString("utf8", 0, sizeBytes);
  }

  /** Rejects with DaemonProtocolError for a list that is too long to be one. */
  async strings(): Promise<string[]> {
    const length = await this.number();
    if (length > MAX_LIST_LENGTH) {
      throw new DaemonProtocolError(`nix-daemon sent a list of ${length} strings`);
    }
    const strings: string[] = [];
    for (let index = 0; index < length; index += 1) strings.push(await this.string());
    return strings;
  }

  async #fill(sizeBytes: number): Promise<void> {
    const pieces: Buffer[] = [this.#held.subarray(this.#at)];
    let held = this.#held.length - this.#at;
    while (held < sizeBytes) {
      const chunk: unknown = this.#stream.read();
      if (Buffer.isBuffer(chunk)) {
        pieces.push(chunk);
        held += chunk.length;
        continue;
      }
      if (this.#hasEnded) throw new StreamEndedError("the stream ended");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#held = pieces.length === 1 ? (pieces[0] ?? this.#held) : Buffer.concat(pieces);
    this.#at = 0;
  }
}
