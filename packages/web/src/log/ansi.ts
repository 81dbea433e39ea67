/**
 * Colours in logs: the part of ECMA-48's "select graphic rendition" that programs use, as names of classes. Styles in place of classes would
 * be refused by the pages' content security policy, so of 256 and of 16 million colours the nearest of sixteen is taken.
 */

export interface Token {
  readonly text: string;
  /** Names of classes, separated by spaces; empty for plain text. */
  readonly look: string;
}

interface Look {
  foreground: number | null;
  background: number | null;
  readonly styles: Set<string>;
}

/** Sequences that move the cursor, name windows or make links: nothing of them is shown. */
const ESCAPE = "\\u001b";
const SEQUENCE = new RegExp(
  [
    `${ESCAPE}\\[(?<codes>[\\d;:]*)(?<end>[ -/]*[@-~])`,
    `${ESCAPE}\\][^\\u0007${ESCAPE}]*(?:\\u0007|${ESCAPE}\\\\)?`,
    `${ESCAPE}[ -/]*[0-~]`,
  ].join("|"),
  "g",
);
const CONTROL = /\p{Cc}/gu;

const STYLES: Readonly<Record<number, string>> = {
  1: "bold",
  2: "faint",
  3: "italic",
  4: "underlined",
};
const STYLE_ENDS: Readonly<Record<number, readonly string[]>> = {
  22: ["bold", "faint"],
  23: ["italic"],
  24: ["underlined"],
};

/** Takes a log apart, line by line; what a line switches on holds for the next. */
export class AnsiReader {
  readonly #look: Look = { foreground: null, background: null, styles: new Set() };

  /** One line without its end. Of what a carriage return overwrites, the last is shown. */
  line(text: string): Token[] {
    const shown = text.includes("\r") ? overwritten(text) : text;
    const tokens: Token[] = [];
    let at = 0;
    for (const match of shown.matchAll(SEQUENCE)) {
      this.#push(tokens, shown.slice(at, match.index));
      const { codes, end } = match.groups ?? {};
      if (end === "m") this.#select(codes ?? "");
      at = match.index + match[0].length;
    }
    this.#push(tokens, shown.slice(at));
    return tokens;
  }

  #push(tokens: Token[], raw: string): void {
    const text = raw.replace(CONTROL, (character) => (character === "\t" ? character : ""));
    if (text === "") return;
    tokens.push({ text, look: lookOf(this.#look) });
  }

  #select(parameters: string): void {
    const codes = parameters.split(/[;:]/).map(Number);
    while (codes.length > 0) this.#apply(codes.shift() ?? 0, codes);
  }

  /** `rest` are the codes behind it, of which a code for a large palette takes some. */
  #apply(code: number, rest: number[]): void {
    const look = this.#look;
    const style = STYLES[code];
    if (style !== undefined) look.styles.add(style);
    for (const ended of STYLE_ENDS[code] ?? []) look.styles.delete(ended);
    if (code === 0) {
      look.foreground = look.background = null;
      look.styles.clear();
    } else if (code === 38) look.foreground = largePalette(rest);
    else if (code === 48) look.background = largePalette(rest);
    else if (code === 39) look.foreground = null;
    else if (code === 49) look.background = null;
    else if (code >= 30 && code <= 37) look.foreground = code - 30;
    else if (code >= 90 && code <= 97) look.foreground = code - 82;
    else if (code >= 40 && code <= 47) look.background = code - 40;
    else if (code >= 100 && code <= 107) look.background = code - 92;
  }
}

function overwritten(text: string): string {
  const pieces = text.split("\r").filter((piece) => piece !== "");
  return pieces.at(-1) ?? "";
}

function lookOf({ foreground, background, styles }: Look): string {
  const names = [...styles].map((style) => `ansi-${style}`);
  if (foreground !== null) names.push(`ansi-fg-${foreground}`);
  if (background !== null) names.push(`ansi-bg-${background}`);
  return names.join(" ");
}

/** `5;N` or `2;R;G;B` at the beginning of the codes, which it takes away. */
function largePalette(codes: number[]): number | null {
  const kind = codes.shift();
  if (kind === 5) return fromPalette(codes.shift() ?? 0);
  if (kind !== 2) return null;
  const [red = 0, green = 0, blue = 0] = codes.splice(0, 3);
  return nearest(red, green, blue);
}

const CUBE = [0, 95, 135, 175, 215, 255];

function fromPalette(index: number): number {
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const at = index - 16;
  const level = (place: number): number => CUBE[Math.floor(at / place) % 6] ?? 0;
  return nearest(level(36), level(6), level(1));
}

/** Of the sixteen: which of red, green and blue are strong makes the hue, the strongest one how bright it is. */
function nearest(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  if (most < 48) return 0;
  if (most - Math.min(red, green, blue) < 32) return most < 128 ? 8 : most < 216 ? 7 : 15;
  const isStrong = (value: number): boolean => value > most * 0.6;
  const hue = (isStrong(red) ? 1 : 0) + (isStrong(green) ? 2 : 0) + (isStrong(blue) ? 4 : 0);
  return most > 200 ? hue + 8 : hue;
}
