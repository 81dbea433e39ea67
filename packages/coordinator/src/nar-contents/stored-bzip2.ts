import { Gate } from "../intake/gate.ts";
import { Turns } from "../intake/turns.ts";

/** Sorting takes its time: never two of them. */
const gate = new Gate(1);

/** Source bytes of a block: sorting them takes less than a millisecond. */
const BLOCK_BYTES = 4000;
const MAX_RUN = 259;
const SYMBOLS_OF_A_SELECTOR = 50;
/** The least that a block may have. */
const TABLES = 2;

/**
 * Bytes in the form of bzip2, made quickly and hardly smaller: small blocks, and codes that are as good as equal in length. For those who ask for a file by a name that says bzip2. (There is no
 * standard; what stands here is what bzip2 1.0 reads and what "BZIP2: Format Specification" by Joe Tsai says of it.)
 */
export async function* storedBzip2(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  using _place = await gate.enter();
  const turns = new Turns();
  const bits = new BitWriter();
  // Blocks of up to 100,000 bytes.
  for (const letter of Buffer.from("BZh1", "latin1")) bits.write(letter, 8);
  let check = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length; at += BLOCK_BYTES) {
      const bytes = piece.subarray(at, at + BLOCK_BYTES);
      const crc = crcOf(bytes);
      check = (((check << 1) | (check >>> 31)) ^ crc) >>> 0;
      writeBlock(bits, bytes, crc);
      yield bits.take();
      await turns.giveWay();
    }
  }
  for (const part of [0x177245, 0x385090]) bits.write(part, 24);
  bits.write32(check);
  bits.fill();
  yield bits.take();
}

/** Bits, the highest first. */
class BitWriter {
  #bytes: number[] = [];
  #pending = 0;
  #count = 0;

  /** The lowest `count` bits of `value`; at most 24. */
  write(value: number, count: number): void {
    this.#pending = (this.#pending << count) | value;
    this.#count += count;
    while (this.#count >= 8) {
      this.#count -= 8;
      this.#bytes.push((this.#pending >>> this.#count) & 0xff);
    }
    this.#pending &= 0xff;
  }

  write32(value: number): void {
    this.write(value >>> 16, 16);
    this.write(value & 0xffff, 16);
  }

  /** Zeros up to a whole byte. */
  fill(): void {
    if (this.#count > 0) this.write(0, 8 - this.#count);
  }

  /** The whole bytes until now. */
  take(): Buffer {
    return Buffer.from(this.#bytes.splice(0));
  }
}

function writeBlock(bits: BitWriter, bytes: Uint8Array, crc: number): void {
  const block = withoutRuns(bytes);
  const { last, origin } = sortRotations(block);
  const used = [...new Set(block)].toSorted((a, b) => a - b);
  const symbols = toSymbols(last, used);
  for (const part of [0x314159, 0x265359]) bits.write(part, 24);
  bits.write32(crc);
  bits.write(0, 1);
  bits.write(origin, 24);
  writeUsed(bits, used);
  writeSymbols(bits, symbols, used.length + 2);
}

/** Four or more of the same byte become four, and how many more there are. */
function withoutRuns(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at] ?? 0;
    let length = 1;
    while (length < MAX_RUN && bytes[at + length] === byte && at + length < bytes.length)
      length += 1;
    for (let n = 0; n < Math.min(length, 4); n += 1) out.push(byte);
    if (length >= 4) out.push(length - 4);
    at += length;
  }
  return Uint8Array.from(out);
}

/** The last bytes of all rotations in their order, and which of them is the block itself. Ranks by twice as many bytes in each round. */
function sortRotations(block: Uint8Array): { last: Uint8Array; origin: number } {
  const { length } = block;
  const rank = Float64Array.from(block);
  const keys = new Float64Array(length);
  const order = new Uint32Array(length);
  for (let width = 0, ranks = 0; ; width = width === 0 ? 1 : width * 2) {
    const base = Math.max(256, length);
    for (let at = 0; at < length; at += 1) {
      const next = width === 0 ? 0 : (rank[(at + width) % length] ?? 0);
      keys[at] = ((rank[at] ?? 0) * base + next) * length + at;
    }
    keys.sort();
    ranks = -1;
    let before = -1;
    for (let n = 0; n < length; n += 1) {
      const key = keys[n] ?? 0;
      const at = key % length;
      const value = (key - at) / length;
      if (value !== before) ranks += 1;
      before = value;
      order[n] = at;
      rank[at] = ranks;
    }
    // Rotations that are the same all around may stand in any order.
    if (ranks === length - 1 || width >= length) break;
  }
  const last = Uint8Array.from(order, (at) => block[(at + length - 1) % length] ?? 0);
  return { last, origin: order.indexOf(0) };
}

/** Each byte as the number of others since it was last there; zeros as their count in digits 1 and 2, the lowest first; then the end. */
function toSymbols(last: Uint8Array, used: readonly number[]): number[] {
  const recent = [...used];
  const symbols: number[] = [];
  let zeros = 0;
  const writeZeros = (): void => {
    for (; zeros > 0; zeros = (zeros - 1) >> 1) symbols.push((zeros - 1) & 1);
  };
  for (const byte of last) {
    const at = recent.indexOf(byte);
    if (at === 0) {
      zeros += 1;
      continue;
    }
    writeZeros();
    symbols.push(at + 1);
    recent.splice(at, 1);
    recent.unshift(byte);
  }
  writeZeros();
  symbols.push(used.length + 1);
  return symbols;
}

/** Which bytes occur: of sixteen ranges, and in each of those that have one. */
function writeUsed(bits: BitWriter, used: readonly number[]): void {
  const ranges = Array.from({ length: 16 }, () => 0);
  for (const byte of used) ranges[byte >> 4] = (ranges[byte >> 4] ?? 0) | (0x8000 >> (byte & 15));
  bits.write(
    ranges.reduce((map, range, n) => (range === 0 ? map : map | (0x8000 >> n)), 0),
    16,
  );
  for (const range of ranges) if (range !== 0) bits.write(range, 16);
}

/** With codes of two lengths that differ by one: `short` of the shorter ones, which come first. */
function writeSymbols(bits: BitWriter, symbols: readonly number[], alphabet: number): void {
  const length = Math.floor(Math.log2(alphabet));
  const short = 2 ** (length + 1) - alphabet;
  const selectors = Math.ceil(symbols.length / SYMBOLS_OF_A_SELECTOR);
  bits.write(TABLES, 3);
  bits.write(selectors, 15);
  for (let n = 0; n < selectors; n += 1) bits.write(0, 1);
  for (let table = 0; table < TABLES; table += 1) {
    bits.write(length, 5);
    for (let symbol = 0; symbol < alphabet; symbol += 1) {
      // One more than before, once.
      if (symbol === short) bits.write(0b10, 2);
      bits.write(0, 1);
    }
  }
  for (const symbol of symbols) {
    if (symbol < short) bits.write(symbol, length);
    else bits.write(symbol + short, length + 1);
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** CRC-32 with the highest bit first, which zlib's is not. */
function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ byte] ?? 0);
  return ~crc >>> 0;
}
