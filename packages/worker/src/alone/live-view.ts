import type { EvaluationMessage, UsageRecord } from "@gradient/protocol";
import type { LiveUsage } from "../ports.ts";
import type { Palette } from "../text/terminal-text.ts";
import { endOf, failureLines } from "./build-text.ts";
import { type LiveBuild, frameLines } from "./frame.ts";
import { fetchText, messageText } from "./plain-view.ts";
import { type BuildRecord, cpuMsOf } from "./report.ts";
import type { BuildView, Progress, StartedBuild } from "./view.ts";

const REDRAW_MS = 200;
/** Where a terminal does not say. */
const USUAL_COLUMNS = 80;
const USUAL_ROWS = 24;

const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const CLEAR_LINE_END = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

/** What is written to: a terminal. */
export interface Screen {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

interface Running extends LiveBuild {
  readonly live: LiveUsage;
  isAsked: boolean;
}

/**
 * Lines at the bottom of the terminal that are drawn over, a few times a second; everything that stays is written above them. A frame is
 * one write and overwrites instead of clearing first, so that nothing flickers.
 */
export class LiveView implements BuildView {
  readonly #screen: Screen;
  readonly #palette: Palette;
  readonly #now: () => number;
  readonly #running = new Map<string, Running>();
  readonly #timer: NodeJS.Timeout;
  #progress: Progress | null = null;
  /** Lines that are drawn over next time. */
  #drawn = 0;
  #isOver = false;

  constructor(screen: Screen, palette: Palette, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#palette = palette;
    this.#now = now;
    screen.write(HIDE_CURSOR);
    this.#timer = setInterval(() => this.#tick(), REDRAW_MS);
  }

  progress(progress: Progress): void {
    this.#progress = progress;
  }

  message(message: EvaluationMessage): void {
    this.#say([messageText(message, this.#palette)]);
  }

  fetching({ paths, downloadBytes }: { paths: readonly string[]; downloadBytes: number }): void {
    this.#say([fetchText(paths.length, downloadBytes).trimEnd()]);
  }

  started({ drvPath, name }: StartedBuild, live: LiveUsage): void {
    this.#running.set(drvPath, {
      name,
      live,
      startedAt: this.#now(),
      cores: null,
      memoryBytes: null,
      last: null,
      isAsked: false,
    });
  }

  ended(record: BuildRecord): void {
    this.#running.delete(record.drvPath);
    const failure = failureLines(record);
    // What went well is counted; the table at the end has it.
    if (failure.length > 0) this.#say([endOf(record, this.#palette), ...failure]);
  }

  /** The terminal is left as it was found. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#screen.write(`${this.#home()}${CLEAR_BELOW}${SHOW_CURSOR}`);
  }

  #tick(): void {
    for (const running of this.#running.values()) this.#ask(running);
    this.#screen.write(this.#frame());
  }

  /** The figures may come from another process. A slow answer is no reason to wait with the picture. */
  #ask(running: Running): void {
    if (running.isAsked) return;
    running.isAsked = true;
    Promise.resolve(running.live.current())
      .then((usage) => note(running, usage))
      .catch(() => {})
      .finally(() => {
        running.isAsked = false;
      });
  }

  #say(lines: readonly string[]): void {
    if (this.#isOver) return;
    const text = lines.map((line) => `${line}\n`).join("");
    this.#screen.write(`${this.#home()}${CLEAR_BELOW}${text}${this.#frame(0)}`);
  }

  /** To the first column of the first line that is drawn over. */
  #home(): string {
    return this.#drawn === 0 ? "\r" : `\r\u001b[${this.#drawn}A`;
  }

  #frame(drawnOver = this.#drawn): string {
    // A terminal that does not know its size says 0.
    const columns = this.#screen.columns || USUAL_COLUMNS;
    const rows = this.#screen.rows || USUAL_ROWS;
    const home = drawnOver === 0 ? "" : this.#home();
    const lines =
      this.#progress === null
        ? []
        : frameLines({
            progress: this.#progress,
            running: [...this.#running.values()],
            now: this.#now(),
            columns,
            rows,
            palette: this.#palette,
          });
    this.#drawn = lines.length;
    const text = lines.map((line) => `${line}${CLEAR_LINE_END}\n`).join("");
    return `${home}${text}${CLEAR_BELOW}`;
  }
}

/** CPU and memory now: what was used since the time before. */
function note(running: Running, usage: UsageRecord): void {
  const cpuMs = cpuMsOf(usage);
  const { last } = running;
  const elapsedMs = usage.wallMs - (last?.wallMs ?? 0);
  if (cpuMs !== null && elapsedMs > 0) {
    running.cores = Math.max(0, (cpuMs - (last?.cpuMs ?? 0)) / elapsedMs);
    running.last = { cpuMs, wallMs: usage.wallMs };
  }
  running.memoryBytes = usage.series.at(-1)?.memoryBytes ?? usage.memoryPeakBytes;
}
