import { lstatSync, opendirSync, type Dir, type Stats } from "node:fs";
import { performance } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";

/** How long other work waits at most. */
const SLICE_MS = 4;
/** What has more files is told as what was counted until then. */
const MAX_ENTRIES = 500_000;

/**
 * Adds up what trees hold on disk, as `du` does: blocks, a file with several names once, no other file systems. The trees
 * belong to strangers and change meanwhile: what can not be read is not counted, and links are not followed.
 */
export class TreeSize {
  bytes = 0;
  costMs = 0;
  readonly #signal: AbortSignal;
  readonly #linked = new Set<string>();
  #entries = 0;
  #device: number | null = null;
  #sliceAt = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Gives way to others in between; ends early when the signal aborts or there are too many files, and then the sum is too small. */
  async add(root: string): Promise<void> {
    this.#device = null;
    const waiting = [root];
    this.#sliceAt = performance.now();
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (this.#count(next)) {
        await this.#list(next, waiting);
      }
      await this.#pause();
      if (this.#signal.aborted || this.#entries > MAX_ENTRIES) break;
    }
    this.costMs += performance.now() - this.#sliceAt;
  }

  /** Piece by piece and with a bound: a builder may make a directory of millions of names. */
  async #list(directory: string, waiting: string[]): Promise<void> {
    const opened = openDirectory(directory);
    if (opened === null) return;
    try {
      for (let name = nextName(opened); name !== null; name = nextName(opened)) {
        if (this.#signal.aborted || this.#entries + waiting.length > MAX_ENTRIES) return;
        waiting.push(`${directory}/${name}`);
        await this.#pause();
      }
    } finally {
      opened.closeSync();
    }
  }

  /** True for a directory to go into. */
  #count(file: string): boolean {
    const stats = statsOf(file);
    if (stats === null) return false;
    this.#device ??= stats.dev;
    if (stats.dev !== this.#device) return false;
    this.#entries += 1;
    const isDirectory = stats.isDirectory();
    if (!isDirectory && stats.nlink > 1) {
      const key = `${stats.dev}:${stats.ino}`;
      if (this.#linked.has(key)) return false;
      this.#linked.add(key);
    }
    this.bytes += stats.blocks * 512;
    return isDirectory;
  }

  async #pause(): Promise<void> {
    const now = performance.now();
    if (now - this.#sliceAt < SLICE_MS) return;
    this.costMs += now - this.#sliceAt;
    await turn();
    this.#sliceAt = performance.now();
  }
}

function statsOf(file: string): Stats | null {
  try {
    return lstatSync(file);
  } catch {
    return null;
  }
}

function openDirectory(directory: string): Dir | null {
  try {
    return opendirSync(directory);
  } catch {
    return null;
  }
}

function nextName(opened: Dir): string | null {
  try {
    return opened.readSync()?.name ?? null;
  } catch {
    return null;
  }
}
