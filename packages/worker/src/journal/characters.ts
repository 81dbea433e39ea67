/** A line that is longer is cut between two of its characters. */
const MAX_LINE_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/** The bytes without a character of UTF-8 that is cut at their end. */
export function wholeCharacters(bytes: Buffer): Buffer {
  // The first byte of a UTF-8 sequence lies at most 3 bytes before its last one (RFC 3629).
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    return sequenceLength(byte) > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** The bytes up to the end of their last line, or of their last whole character where no line ends near. */
export function wholeLines(bytes: Buffer): Buffer {
  const end = bytes.lastIndexOf(LINE_FEED) + 1;
  return bytes.length - end < MAX_LINE_BYTES ? bytes.subarray(0, end) : wholeCharacters(bytes);
}

/** Where the first whole line begins, or the first whole character where no line begins near. */
export function firstCharacter(bytes: Buffer): number {
  const line = bytes.subarray(0, MAX_LINE_BYTES).indexOf(LINE_FEED) + 1;
  if (line > 0) return line;
  const character = bytes.findIndex((byte) => !isContinuation(byte));
  return Math.max(0, character);
}

function isContinuation(byte: number): boolean {
  return (byte & 0b1100_0000) === 0b1000_0000;
}

function sequenceLength(first: number): number {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}
