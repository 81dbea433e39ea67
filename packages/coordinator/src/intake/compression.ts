import { pipeline } from "node:stream/promises";
import { ReadableStream } from "node:stream/web";
import {
  createBrotliDecompress,
  createGunzip,
  type BrotliDecompress,
  type Gunzip,
} from "node:zlib";
// CommonJS, both: Node finds no named exports in them.
import unbzip2 from "unbzip2-stream";
import xz from "xz-decompress";
import { UnprocessableError } from "../errors.ts";
import { copies } from "./copies.ts";
import { Gate } from "./gate.ts";
import { ZstdDecoder } from "./zstd-decoder.ts";

/** Names as a narinfo has them. */
export type Compression = "none" | "xz" | "zstd" | "gzip" | "bzip2" | "br";

const MAGIC: readonly (readonly [Compression, Buffer])[] = [
  ["none", Buffer.from("\x0d\0\0\0\0\0\0\0nix-archive-1", "latin1")],
  ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])],
  ["zstd", Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ["gzip", Buffer.from([0x1f, 0x8b])],
  ["bzip2", Buffer.from("BZh")],
];
const ENCODINGS: Readonly<Record<string, Compression>> = {
  identity: "none",
  br: "br",
  gzip: "gzip",
  xz: "xz",
  zstd: "zstd",
  bzip2: "bzip2",
};

/** What a `Content-Encoding` header says; null when it is not known here. */
export function compressionOfEncoding(header: string | undefined): Compression | null {
  const encoding = header ?? "identity";
  return (Object.hasOwn(ENCODINGS, encoding) ? ENCODINGS[encoding] : undefined) ?? null;
}

/** How many first bytes tell the compression. */
const MAGIC_BYTES = 21;

/** Compression by the first bytes of a file. What has no other sign can only be Brotli, which has none. */
function compressionOf(head: Uint8Array): Compression {
  const found = MAGIC.find(([, magic]) => magic.equals(head.subarray(0, magic.length)));
  return found?.[0] ?? "br";
}

/** bzip2 is decoded in JavaScript, a block of up to 46 MB at once: never two of them. */
const bzip2Gate = new Gate(1);

/** Input is fed in pieces of this size, so that little of it makes much output at once. */
const INPUT_BYTES = 16 * 1024;

/** A file that says by its first bytes how it is compressed. */
export interface SniffedFile {
  readonly compression: Compression;
  /** All bytes, the first ones included. */
  readonly bytes: AsyncGenerator<Uint8Array, void, undefined>;
}

/** Reads as much as it takes to know the compression. */
export async function sniff(source: AsyncIterable<Uint8Array>): Promise<SniffedFile> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < MAGIC_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { compression: compressionOf(head), bytes: bytes() };
}

/**
 * The decompressed bytes, in pieces that hold until the next one is asked for. However much a file would expand to, no more than a piece of it is held:
 * whoever reads can stop at any of them. Throws UnprocessableError for a file that is damaged, ends too early or goes on behind its end.
 */
export function decompress(
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  switch (compression) {
    case "none":
      return source;
    case "zstd":
      return throughZstd(source);
    case "gzip":
      return throughZlib(compression, createGunzip(), source);
    case "br":
      return throughZlib(compression, createBrotliDecompress(), source);
    case "xz":
      return throughXz(source);
    case "bzip2":
      return throughBzip2(source);
  }
}

async function* throughZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new ZstdDecoder();
  for await (const chunk of source) yield* decoder.decode(chunk);
  decoder.end();
}

/** What the source itself throws stays as it is: only the decoder's complaints mean that the file is damaged. */
class SourceFailure {
  #failure: { error: unknown } | null = null;

  async *guard(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* source;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  toError(compression: Compression, cause: unknown): unknown {
    return this.#failure === null ? damaged(compression, cause) : this.#failure.error;
  }
}

async function* throughZlib(
  compression: Compression,
  engine: Gunzip | BrotliDecompress,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const failure = new SourceFailure();
  let given = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of failure.guard(source)) {
      given += chunk.length;
      // The engine keeps what it is given until it gets to it.
      yield Buffer.from(chunk);
    }
  }
  const feeding = pipeline(counted(), engine);
  // It is awaited below, and has no other way to be heard when the reader stops early.
  feeding.catch(() => undefined);
  try {
    for await (const piece of engine) yield toBytes(piece);
    await feeding;
  } catch (error) {
    throw failure.toError(compression, error);
  }
  if (engine.bytesWritten !== given) {
    throw damaged(compression, new Error("it goes on behind its end"));
  }
}

async function* throughXz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const failure = new SourceFailure();
  const input = ReadableStream.from(copies(failure.guard(source)));
  try {
    yield* new xz.XzReadableStream(input);
  } catch (error) {
    throw failure.toError("xz", error);
  }
}

async function* throughBzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  using _place = await bzip2Gate.enter();
  const decoder = unbzip2();
  const made: Uint8Array[] = [];
  const errors: unknown[] = [];
  decoder.on("data", (piece: unknown) => made.push(toBytes(piece)));
  decoder.on("error", (error: unknown) => errors.push(error));
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += INPUT_BYTES) {
      decoder.write(Buffer.from(chunk.subarray(at, at + INPUT_BYTES)));
      if (errors.length > 0) throw damaged("bzip2", errors[0]);
      yield* made.splice(0);
    }
  }
  decoder.end();
  if (errors.length > 0) throw damaged("bzip2", errors[0]);
  yield* made.splice(0);
}

function toBytes(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  throw new Error("a decoder gave something else than bytes");
}

function damaged(compression: Compression, cause: unknown): UnprocessableError {
  const message =
    compression === "br"
      ? "the file is no NAR, and not compressed with xz, zstd, gzip, bzip2 or br, or it is damaged"
      : `the file is not complete ${compression} data, or it is damaged`;
  return new UnprocessableError(message, { code: "bad_compression", cause });
}
