/** A chunk is full with the first line that ends at or after so many bytes. */
const CHUNK_BYTES = 256 * 1024;
/** Whatever the lines are, no chunk is larger. */
const MAX_CHUNK_BYTES = 1024 * 1024;
const LINE_BREAK = 0x0a;

/** A piece of a log that lies in one chunk. */
export interface LogSlice {
  /** Number of the chunk, from 0. */
  readonly chunk: number;
  /** Whether it is the last of its chunk, as far as the log goes on. */
  readonly endsChunk: boolean;
  /** Where it begins: bytes from the log's beginning, and line breaks before it. */
  readonly offset: number;
  readonly line: number;
  readonly bytes: Buffer;
}

/**
 * Cuts a log into slices, in order. Where chunks end depends only on what comes before, so a log that grows keeps its chunks, and no index of
 * them has to be kept: a log of 64 MiB is read through in half a second.
 */
export async function* logSlices(
  texts: AsyncIterable<string>,
): AsyncGenerator<LogSlice, void, undefined> {
  let chunk = 0;
  let filled = 0;
  let offset = 0;
  let line = 0;
  for await (const text of texts) {
    let rest: Buffer = Buffer.from(text);
    while (rest.length > 0) {
      const { length, endsChunk } = nextCut(rest, filled);
      const bytes = rest.subarray(0, length);
      yield { chunk, endsChunk, offset, line, bytes };
      rest = rest.subarray(length);
      offset += length;
      line += countLineBreaks(bytes);
      filled = endsChunk ? 0 : filled + length;
      if (endsChunk) chunk += 1;
    }
  }
}

function nextCut(bytes: Buffer, filled: number): { length: number; endsChunk: boolean } {
  // The line break that fills the chunk may be its last byte.
  const from = Math.max(0, CHUNK_BYTES - filled - 1);
  const lineEnd = from < bytes.length ? bytes.indexOf(LINE_BREAK, from) + 1 : 0;
  const most = MAX_CHUNK_BYTES - filled;
  if (lineEnd > 0 && lineEnd <= most) return { length: lineEnd, endsChunk: true };
  if (bytes.length < most) return { length: bytes.length, endsChunk: false };
  return { length: characterStart(bytes, most), endsChunk: true };
}

/** At or before `at`: where a character of UTF-8 begins. */
function characterStart(bytes: Buffer, at: number): number {
  let start = at;
  while (start > at - 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  return start;
}

function countLineBreaks(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_BREAK); at >= 0; at = bytes.indexOf(LINE_BREAK, at + 1)) count++;
  return count;
}

/** One chunk in the index. */
export interface LogChunk {
  readonly index: number;
  /** Number of its first line, from 0. */
  readonly lineStart: number;
  /** Lines that begin in it, and the rest of one that a full chunk was cut in. */
  readonly lineCount: number;
  readonly byteStart: number;
  readonly byteLength: number;
}

export interface LogIndex {
  readonly lines: number;
  readonly bytes: number;
  readonly chunks: readonly LogChunk[];
}

/** Reads a log to its end and tells its chunks. */
export async function indexLog(texts: AsyncIterable<string>): Promise<LogIndex> {
  const chunks: LogChunk[] = [];
  let open: { lineStart: number; byteStart: number } | null = null;
  let bytes = 0;
  let breaks = 0;
  let endsLine = true;
  const close = (index: number, start: { lineStart: number; byteStart: number }): void => {
    const lineCount = breaks - start.lineStart + (endsLine ? 0 : 1);
    chunks.push({ index, ...start, lineCount, byteLength: bytes - start.byteStart });
  };
  let chunk = 0;
  for await (const slice of logSlices(texts)) {
    chunk = slice.chunk;
    open ??= { lineStart: slice.line, byteStart: slice.offset };
    bytes = slice.offset + slice.bytes.length;
    breaks = slice.line + countLineBreaks(slice.bytes);
    endsLine = slice.bytes.at(-1) === LINE_BREAK;
    if (!slice.endsChunk) continue;
    close(chunk, open);
    open = null;
  }
  if (open !== null) close(chunk, open);
  return { lines: breaks + (endsLine ? 0 : 1), bytes, chunks };
}

/** Text of one chunk, from 0; nothing when the log has not so many. Reads no further than to its end. */
export async function* chunkText(
  texts: AsyncIterable<string>,
  index: number,
): AsyncGenerator<string, void, undefined> {
  for await (const slice of logSlices(texts)) {
    if (slice.chunk > index) return;
    if (slice.chunk === index) yield slice.bytes.toString();
    if (slice.chunk === index && slice.endsChunk) return;
  }
}
