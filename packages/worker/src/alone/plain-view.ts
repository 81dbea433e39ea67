import type { EvaluationMessage } from "@gradient/protocol";
import { formatBytes, formatCount } from "../text/quantities.ts";
import { type Palette, printable } from "../text/terminal-text.ts";
import { endOf, failureLines } from "./build-text.ts";
import type { BuildRecord } from "./report.ts";
import type { BuildView, StartedBuild } from "./view.ts";

const LEVEL_WORDS: Readonly<Record<EvaluationMessage["level"], string>> = {
  Error: "error: ",
  Warning: "warning: ",
  Notice: "note: ",
};

/** A line for each thing that happens, for logs and pipes. */
export class PlainView implements BuildView {
  readonly #write: (text: string) => void;
  readonly #palette: Palette;

  constructor(write: (text: string) => void, palette: Palette) {
    this.#write = write;
    this.#palette = palette;
  }

  progress(): void {}

  message(message: EvaluationMessage): void {
    this.#write(`${messageText(message, this.#palette)}\n`);
  }

  fetching({ paths, downloadBytes }: { paths: readonly string[]; downloadBytes: number }): void {
    this.#write(fetchText(paths.length, downloadBytes));
  }

  started({ name }: StartedBuild): void {
    this.#write(`building ${name}\n`);
  }

  ended(record: BuildRecord): void {
    this.#write(`${endOf(record, this.#palette)}\n`);
    for (const line of failureLines(record)) this.#write(`${line}\n`);
  }

  [Symbol.dispose](): void {}
}

/** Nix's own colours and control characters are taken out of the text. */
export function messageText({ level, text }: EvaluationMessage, palette: Palette): string {
  const word = LEVEL_WORDS[level];
  return `${level === "Error" ? palette.bad(word) : palette.warn(word)}${printable(text)}`;
}

/** One line with its end; `downloadBytes` are those of compressed files. */
export function fetchText(paths: number, downloadBytes: number): string {
  return `fetching ${formatCount(paths, "path")} from substituters (${formatBytes(downloadBytes)} to download)\n`;
}
