/** As many as Nix itself shows of a failed build. */
const LINES = 25;
const LINE_CHARACTERS = 2000;
/** Lines of Nix for programs, such as the start of a phase. */
const FOR_PROGRAMS = "@nix ";

/** The last lines of a log. */
export class LogTail {
  readonly #lines: string[] = [];

  /** Whole lines. */
  append(text: string): void {
    for (const line of text.split("\n").slice(0, -1)) {
      if (line.startsWith(FOR_PROGRAMS)) continue;
      this.#lines.push(line.slice(0, LINE_CHARACTERS));
      if (this.#lines.length > LINES) this.#lines.shift();
    }
  }

  lines(): readonly string[] {
    return [...this.#lines];
  }
}
