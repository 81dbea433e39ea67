import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Socket } from "node:net";
import { reasonOf } from "../error-facts.ts";
import { LogFile } from "../journal/log-file.ts";
import type { Builder, LiveUsage, Preparable } from "../ports.ts";
import { readLines } from "../process/lines.ts";
import {
  type FromRunner,
  type KeptEnd,
  MAX_MESSAGE_BYTES,
  RUNNER_PROTOCOL,
  type ToRunner,
} from "./messages.ts";

/** Growing logs are told together, so that a build that logs a lot costs few messages. */
const LOG_NEWS_MS = 10;
/** For the daemon that started the runner to call it. */
const FIRST_CALL_MS = 30_000;

interface LiveBuild {
  readonly controller: AbortController;
  readonly log: LogFile;
  readonly leaseMs: number;
  live: LiveUsage | null;
}

/**
 * Holds the builds of one worker while its daemon comes and goes. Everything that a build leaves is on disk before the
 * build is forgotten here, so a daemon finds it either among the runner's builds or in the build's directory.
 */
export class Runner implements AsyncDisposable {
  /** Resolves when there is nothing left to do, or when the daemon says so. */
  readonly done: Promise<void>;
  readonly #builder: Builder & Preparable;
  readonly #fingerprint: string;
  readonly #builds = new Map<string, LiveBuild>();
  readonly #work = new Set<Promise<void>>();
  readonly #grown = new Set<string>();
  #finish: () => void = () => undefined;
  #daemon: Socket | null = null;
  #isRetired = false;
  #alone: NodeJS.Timeout | null = null;
  #logNews: NodeJS.Timeout | null = null;

  constructor(options: { builder: Builder & Preparable; fingerprint: string }) {
    this.#builder = options.builder;
    this.#fingerprint = options.fingerprint;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#alone = setTimeout(this.#finish, FIRST_CALL_MS);
  }

  /** A daemon calls. There is one at a time, so an earlier one is gone, whatever its socket says. */
  attach(socket: Socket): void {
    this.#daemon?.destroy();
    this.#daemon = socket;
    if (this.#alone !== null) clearTimeout(this.#alone);
    this.#alone = null;
    socket.on("error", () => {});
    const builds = [...this.#builds].map(([name, { live, log }]) => ({
      name,
      isStarted: live !== null,
      logBytes: log.size,
    }));
    const fingerprint = this.#fingerprint;
    this.#send({ type: "hello", protocol: RUNNER_PROTOCOL, fingerprint, builds });
    void this.#listen(socket);
  }

  /** Ends every build. Nothing of them is kept: for a later daemon they are interrupted. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#endAll();
    await Promise.all(this.#work);
    for (const timer of [this.#alone, this.#logNews]) if (timer !== null) clearTimeout(timer);
    // It closes with the process: then the daemon knows that nothing is left.
    this.#daemon?.unref();
  }

  #endAll(): void {
    for (const { controller } of this.#builds.values()) controller.abort();
  }

  async #listen(socket: Socket): Promise<void> {
    try {
      // The other side is our own program, of this protocol version.
      for await (const line of readLines(socket, MAX_MESSAGE_BYTES)) {
        this.#receive(JSON.parse(line) as ToRunner);
      }
    } catch {
      socket.destroy();
    }
    if (this.#daemon !== socket) return;
    this.#daemon = null;
    this.#wait();
  }

  #receive(message: ToRunner): void {
    switch (message.type) {
      case "build": {
        const work = this.#build(message);
        this.#work.add(work);
        void work.then(() => this.#work.delete(work));
        break;
      }
      case "prepare":
        this.#builder.prepare();
        break;
      case "cancel":
        this.#builds.get(message.name)?.controller.abort();
        break;
      case "usage":
        // Figures that cannot be read now are asked for again, and are no reason to lose the builds.
        this.#tellUsage(message.name).catch(() => {});
        break;
      case "retire":
        this.#isRetired = true;
        this.#finishIfIdle();
        break;
      case "end":
        this.#finish();
        break;
    }
  }

  async #tellUsage(name: string): Promise<void> {
    const usage = await this.#builds.get(name)?.live?.current();
    if (usage !== undefined) this.#send({ type: "usage", name, usage });
  }

  /** Without a daemon builds go on for as long as their leases can last: after that nobody takes what they make. */
  #wait(): void {
    this.#finishIfIdle();
    const leases = [...this.#builds.values()].map(({ leaseMs }) => leaseMs);
    if (leases.length > 0) this.#alone = setTimeout(() => this.#endAll(), Math.max(...leases));
  }

  #finishIfIdle(): void {
    if (this.#builds.size === 0 && (this.#daemon === null || this.#isRetired)) this.#finish();
  }

  /** Never rejects. */
  async #build(request: Extract<ToRunner, { type: "build" }>): Promise<void> {
    const { name, drvPath, inputs = null, limits, directory, leaseMs } = request;
    if (this.#builds.has(name)) return;
    const log = new LogFile(join(directory, "log"), 0);
    const build: LiveBuild = { controller: new AbortController(), log, leaseMs, live: null };
    this.#builds.set(name, build);
    log.onGrow(() => this.#noteGrowth(name));
    const outcome = await this.#builder
      .build({
        name,
        drvPath,
        inputs,
        limits,
        onStart: (live) => {
          build.live = live;
          this.#send({ type: "started", name });
        },
        onBuilt: () => this.#send({ type: "built", name }),
        onLog: (text) => log.append(text),
        signal: build.controller.signal,
      })
      .then(
        ({ end, usage }): KeptEnd => ({ type: "ended", end, usage }),
        (error: unknown): KeptEnd => ({ type: "failed", message: reasonOf(error) }),
      );
    log.close();
    this.#grown.delete(name);
    const logFailure = log.failure === null ? null : reasonOf(log.failure);
    // Before it is told: whoever hears of it may remove the directory.
    keepEnd(directory, outcome, build);
    const { size: logBytes, lostBytes: logLostBytes } = log;
    this.#send({ type: "ended", name, logBytes, logFailure, logLostBytes, outcome });
    this.#builds.delete(name);
    this.#finishIfIdle();
  }

  #noteGrowth(name: string): void {
    this.#grown.add(name);
    this.#logNews ??= setTimeout(() => {
      this.#logNews = null;
      for (const each of this.#grown) {
        const logBytes = this.#builds.get(each)?.log.size;
        if (logBytes !== undefined) this.#send({ type: "log", name: each, logBytes });
      }
      this.#grown.clear();
    }, LOG_NEWS_MS);
  }

  #send(message: FromRunner): void {
    if (this.#daemon?.writable === true) this.#daemon.write(`${JSON.stringify(message)}\n`);
  }
}

/**
 * Over a crash of the machine it need not last, as that ends the build's attempt in any case; half of one is none. That a build
 * was told to end is known to whoever told it, and nobody else may take it for the build's own end. Synchronous on purpose: it is a
 * small file for each build.
 */
function keepEnd(directory: string, outcome: KeptEnd, { controller }: LiveBuild): void {
  const wasEnded = outcome.type === "failed" || outcome.end.endedBy === "cancel";
  if (controller.signal.aborted && wasEnded) return;
  try {
    writeFileSync(join(directory, "end.json"), JSON.stringify(outcome), { mode: 0o600 });
  } catch {
    // The directory is gone when nobody waits for the build any more.
  }
}
