import { watch, type FSWatcher } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { errnoOf, reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { areSameTokens, hasUsableEntry, NO_PEERS, parsePeers, type Peers } from "./peers.ts";

/** Where tokens come from: a peers file that may change at any time, or text that was given once. */
export interface PeersSource extends AsyncDisposable {
  /** The entries as they are now; reads the file again when it has changed. */
  read(): Promise<Peers>;
  /** Calls back after the tokens changed. */
  onChange(callback: () => void): void;
}

/** Tokens from the environment. Throws UserError when there is no usable line: nothing can change that later. */
export function openInlinePeers(text: string, logger: Logger): PeersSource {
  const peers = parsePeers(text);
  reportRejected(peers, "the inline peers", logger);
  if (!hasUsableEntry(peers)) {
    throw new UserError(
      "no-peers",
      "GRADIENT_WORKER_PEERS has no usable entry: give '<organization id>:<token>', with the token of the registration",
    );
  }
  return {
    read: async () => peers,
    onChange: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Watches a peers file. Throws UserError when it cannot be read now; later it counts as empty while it cannot be read. */
export async function openPeersFile(path: string, logger: Logger): Promise<PeersSource> {
  try {
    await readFile(path);
  } catch (cause) {
    throw new UserError(
      "peers-file",
      `cannot read peers file ${path}: ${reasonOf(cause)}; write it with one '<organization id>:<token>' a line`,
      { cause },
    );
  }
  const file = new PeersFile(path, logger);
  await file.read();
  return file;
}

/** Editors and secret managers replace files: the directory is watched, and what was seen is compared. */
const CHECK_MS = 10_000;

class PeersFile implements PeersSource {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #callbacks: (() => void)[] = [];
  readonly #watcher: FSWatcher | null;
  readonly #timer: NodeJS.Timeout;
  #peers: Peers = NO_PEERS;
  /** What the file looked like when it was read. */
  #version: string | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    this.#watcher = this.#watch();
    // Some file systems tell nothing to watchers (network mounts, bind-mounted secrets).
    this.#timer = setInterval(() => void this.read(), CHECK_MS);
    this.#timer.unref();
  }

  async read(): Promise<Peers> {
    this.#reading = this.#reading.then(() => this.#refresh());
    await this.#reading;
    return this.#peers;
  }

  onChange(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher?.close();
    clearInterval(this.#timer);
    await this.#reading;
  }

  #watch(): FSWatcher | null {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(this.#path)) void this.read();
      });
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return null;
    }
  }

  /** Never throws. */
  async #refresh(): Promise<void> {
    const before = this.#peers;
    const isFirst = this.#version === null;
    try {
      const { mtimeMs, ctimeMs, size, ino, mode } = await stat(this.#path);
      const version = [mtimeMs, ctimeMs, size, ino].join("/");
      if (version === this.#version) return;
      this.#peers = parsePeers(await readFile(this.#path, "utf8"));
      this.#version = version;
      this.#report(mode);
    } catch (error) {
      if (this.#version === "unreadable") return;
      this.#version = "unreadable";
      this.#peers = NO_PEERS;
      this.#logger.warn(
        { file: this.#path, error: errnoOf(error) ?? reasonOf(error) },
        "peers file cannot be read; it counts as empty until it can",
      );
    }
    if (isFirst || areSameTokens(before, this.#peers)) return;
    for (const callback of this.#callbacks) callback();
  }

  #report(mode: number): void {
    if ((mode & 0o044) !== 0) {
      this.#logger.warn(
        { file: this.#path, mode: (mode & 0o777).toString(8) },
        "peers file can be read by group or others; make it mode 0600",
      );
    }
    reportRejected(this.#peers, this.#path, this.#logger);
    this.#logger.info(
      {
        file: this.#path,
        organizations: this.#peers.tokens.size,
        hasWildcard: this.#peers.wildcard !== null,
      },
      "peers file read",
    );
  }
}

function reportRejected(peers: Peers, source: string, logger: Logger): void {
  for (const { line, reason } of peers.rejected) {
    logger.warn({ source, line, reason }, "line of the peers is not used");
  }
}
