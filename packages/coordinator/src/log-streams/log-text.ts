/** In JSON a character takes at most 6 bytes, so a piece stays below the 1 024 000 bytes that clients take for one line. */
const MAX_PIECE_CHARACTERS = 128 * 1024;

/** Cuts a text into pieces that are short enough for one frame: at the end of a line where there is one, never inside a surrogate pair. */
export function* piecesOf(text: string): Generator<string> {
  let at = 0;
  while (at < text.length) {
    const end = pieceEnd(text, at);
    yield text.slice(at, end);
    at = end;
  }
}

function pieceEnd(text: string, at: number): number {
  const end = at + MAX_PIECE_CHARACTERS;
  if (end >= text.length) return text.length;
  const lineEnd = text.lastIndexOf("\n", end - 1) + 1;
  if (lineEnd > at) return lineEnd;
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
}

/** Puts a name before every line of a log that comes in pieces. Everything it gives out ends with a line break. */
export class LinePrefix {
  readonly #prefix: string;
  #unfinished = "";

  constructor(name: string) {
    this.#prefix = `${name}> `;
  }

  /** The lines that are whole now; empty when there is none. A line that is too long for a frame is broken. */
  push(text: string): string {
    const all = this.#unfinished + text;
    const end = all.lastIndexOf("\n") + 1;
    this.#unfinished = all.slice(end);
    const whole = this.#prefixed(all.slice(0, end));
    return this.#unfinished.length < MAX_PIECE_CHARACTERS / 2 ? whole : whole + this.flush();
  }

  /** The last line, when it has no line break. */
  flush(): string {
    const rest = this.#unfinished;
    this.#unfinished = "";
    return rest === "" ? "" : this.#prefixed(`${rest}\n`);
  }

  /** Takes whole lines. */
  #prefixed(lines: string): string {
    if (lines === "") return "";
    const each = lines.slice(0, -1).split("\n");
    return each.map((line) => `${this.#prefix}${line}\n`).join("");
  }
}
