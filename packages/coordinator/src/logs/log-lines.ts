import { logSlices } from "./log-chunks.ts";

/** Lines from 1, both included; `last` null for all that follow. */
export interface LineRange {
  readonly first: number;
  readonly last: number | null;
}

/** Text of the lines, each with its line break. Reads no further than to the last one. */
export async function* lineText(
  texts: AsyncIterable<string>,
  { first, last }: LineRange,
): AsyncGenerator<string, void, undefined> {
  /** Of the line that the next text begins in. */
  let line = 1;
  for await (const text of texts) {
    let at = 0;
    while (line < first) {
      const lineBreak = text.indexOf("\n", at);
      if (lineBreak < 0) break;
      line += 1;
      at = lineBreak + 1;
    }
    if (line < first) continue;
    const start = at;
    while (last === null || line <= last) {
      const lineBreak = text.indexOf("\n", at);
      if (lineBreak < 0) {
        at = text.length;
        break;
      }
      line += 1;
      at = lineBreak + 1;
    }
    if (at > start) yield text.slice(start, at);
    if (last !== null && line > last) return;
  }
}

/** A line with the text that was looked for. */
export interface LineHit {
  /** From 1. */
  readonly line: number;
  /** The chunk that the line begins in. */
  readonly chunk: number;
  /** Where the line begins, in bytes. */
  readonly offset: number;
  /** Its first characters, without blanks at the ends. */
  readonly preview: string;
}

const PREVIEW_CHARACTERS = 200;
/** A preview is kept before it is trimmed. */
const HEAD_CHARACTERS = 4 * PREVIEW_CHARACTERS;

export interface LogQuery {
  readonly text: string;
  readonly isCaseSensitive: boolean;
}

/** The lines that have the text, in order. However long a line is, only its beginning and as much as the text is long are kept. */
export async function* searchLines(
  texts: AsyncIterable<string>,
  query: LogQuery,
): AsyncGenerator<LineHit, void, undefined> {
  const folded = (text: string) => (query.isCaseSensitive ? text : text.toLowerCase());
  const wanted = folded(query.text);
  let line = new OpenLine(1, 0, 0);
  for await (const { bytes, offset, chunk } of logSlices(texts)) {
    let at = 0;
    for (const part of partsOf(bytes)) {
      if (line.isEmpty) line = new OpenLine(line.number, chunk, offset + at);
      line.add(part.text, folded(part.text), wanted);
      at += part.length;
      if (!part.endsLine) continue;
      if (line.isHit) yield line.hit();
      line = new OpenLine(line.number + 1, chunk, offset + at);
    }
  }
  if (line.isHit) yield line.hit();
}

interface LinePart {
  readonly text: string;
  /** Bytes, with the line break. */
  readonly length: number;
  readonly endsLine: boolean;
}

function* partsOf(bytes: Buffer): Generator<LinePart> {
  for (let at = 0; at < bytes.length;) {
    const lineBreak = bytes.indexOf(0x0a, at);
    const end = lineBreak < 0 ? bytes.length : lineBreak;
    const next = lineBreak < 0 ? end : end + 1;
    yield { text: bytes.toString("utf8", at, end), length: next - at, endsLine: lineBreak >= 0 };
    at = next;
  }
}

class OpenLine {
  readonly number: number;
  readonly #chunk: number;
  readonly #offset: number;
  #head = "";
  /** End of what was looked at: the text may lie across two parts. */
  #tail = "";
  isEmpty = true;
  isHit = false;

  constructor(number: number, chunk: number, offset: number) {
    this.number = number;
    this.#chunk = chunk;
    this.#offset = offset;
  }

  add(text: string, folded: string, wanted: string): void {
    this.isEmpty = false;
    if (this.#head.length < HEAD_CHARACTERS) this.#head += text.slice(0, HEAD_CHARACTERS);
    if (this.isHit) return;
    const looked = this.#tail + folded;
    this.isHit = looked.includes(wanted);
    this.#tail = looked.slice(Math.max(0, looked.length - wanted.length + 1));
  }

  hit(): LineHit {
    const preview = this.#head.trim().slice(0, PREVIEW_CHARACTERS);
    return { line: this.number, chunk: this.#chunk, offset: this.#offset, preview };
  }
}
