import { crc32 } from "node:zlib";

/** Most bytes of an LZMA2 chunk. */
const CHUNK_BYTES = 65_536;
/** Integrity check: CRC32. */
const FLAGS = Buffer.from([0x00, 0x01]);
const BLOCK_HEADER = withCrc(Buffer.from([0x02, 0x00, 0x21, 0x01, 0x08, 0, 0, 0]));
const FIRST_CHUNK = 0x01;
const NEXT_CHUNK = 0x02;
const END_OF_CHUNKS = Buffer.from([0x00]);
const CHECK_BYTES = 4;

/**
 * Bytes in the container of xz, stored and not compressed, which costs no time and three bytes in 64 KiB (The .xz File Format 1.2.1, tukaani.org/xz/xz-file-format.txt).
 * For those who ask for a file by a name that says xz. `size` is that of all the bytes.
 */
export async function* storedXz(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.concat([Buffer.from("\xfd7zXZ\0", "latin1"), withCrc(FLAGS)]);
  yield BLOCK_HEADER;
  let unpacked = 0;
  let packed = 0;
  let check = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length; at += CHUNK_BYTES) {
      // A view holds only until the next piece is asked for, and what is sent is kept for longer.
      const bytes = Buffer.from(piece.subarray(at, at + CHUNK_BYTES));
      const head = Buffer.from([unpacked === 0 ? FIRST_CHUNK : NEXT_CHUNK, 0, 0]);
      head.writeUInt16BE(bytes.length - 1, 1);
      check = crc32(bytes, check);
      unpacked += bytes.length;
      packed += head.length + bytes.length;
      yield head;
      yield bytes;
    }
  }
  yield END_OF_CHUNKS;
  packed += END_OF_CHUNKS.length;
  yield Buffer.concat([padding(packed), littleEndian(check)]);
  yield* indexAndFooter(BLOCK_HEADER.length + packed + CHECK_BYTES, unpacked);
}

function* indexAndFooter(blockSize: number, unpacked: number): Generator<Buffer> {
  const records = Buffer.concat([
    Buffer.from([0x00, 0x01]),
    variable(blockSize),
    variable(unpacked),
  ]);
  const index = withCrc(Buffer.concat([records, padding(records.length)]));
  yield index;
  const backward = Buffer.concat([littleEndian(index.length / 4 - 1), FLAGS]);
  yield Buffer.concat([littleEndian(crc32(backward)), backward, Buffer.from("YZ")]);
}

function padding(length: number): Buffer {
  return Buffer.alloc(-length & 3);
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function withCrc(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, littleEndian(crc32(bytes))]);
}

/** Seven bits a byte, the lowest first. */
function variable(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
