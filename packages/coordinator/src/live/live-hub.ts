import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import type { Logger } from "../logger.ts";
import type { LiveFrame, LiveScope } from "./frames.ts";
import { LiveWatch } from "./live-watch.ts";

/** How often every watched scope is looked at. Those who watch the same one share the look. */
const LOOK_EVERY_MS = 1000;

/** Takes what changed since it last got something. */
export type LiveListener = (frames: readonly LiveFrame[]) => void;

export interface LiveEvents {
  /** Resolves when everything that changes from now on is told. Disposing ends it. */
  listen(scope: LiveScope, listener: LiveListener): Promise<Disposable>;
}

interface SharedWatch {
  readonly watch: LiveWatch;
  readonly listeners: Set<LiveListener>;
}

/** Tells listeners what changes in evaluations and projects. Without listeners it does nothing. */
export class LiveHub implements LiveEvents {
  readonly #database: Pick<Database, "kysely">;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watches = new Map<string, SharedWatch>();
  #timer: Disposable | null = null;
  #isClosed = false;

  /** `stopping` ends it. */
  constructor(options: {
    database: Pick<Database, "kysely">;
    clock: Clock;
    logger: Logger;
    stopping: AbortSignal;
  }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#logger = options.logger;
    options.stopping.addEventListener("abort", () => this.#close(), { once: true });
  }

  async listen(scope: LiveScope, listener: LiveListener): Promise<Disposable> {
    const key = `${scope.kind}/${scope.id}`;
    const now = this.#clock.now();
    const known = this.#watches.get(key);
    const shared = known ?? {
      watch: new LiveWatch(this.#database.kysely, scope, now),
      listeners: new Set<LiveListener>(),
    };
    if (known === undefined) {
      await shared.watch.look(now);
      // Somebody else may have come first meanwhile.
      const first = this.#watches.get(key);
      if (first !== undefined) return this.#enter(key, first, listener);
      this.#watches.set(key, shared);
    }
    return this.#enter(key, shared, listener);
  }

  #enter(key: string, shared: SharedWatch, listener: LiveListener): Disposable {
    shared.listeners.add(listener);
    this.#timer ??= this.#lookLater();
    return {
      [Symbol.dispose]: () => {
        shared.listeners.delete(listener);
        if (shared.listeners.size === 0 && this.#watches.get(key) === shared) {
          this.#watches.delete(key);
        }
      },
    };
  }

  #close(): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    this.#watches.clear();
  }

  #lookLater(): Disposable {
    return this.#clock.after(LOOK_EVERY_MS, () => {
      void this.#lookAtAll().finally(() => {
        const isIdle = this.#isClosed || this.#watches.size === 0;
        this.#timer = isIdle ? null : this.#lookLater();
      });
    });
  }

  async #lookAtAll(): Promise<void> {
    for (const shared of this.#watches.values()) {
      if (this.#isClosed) return;
      await this.#lookAt(shared);
    }
  }

  async #lookAt({ watch, listeners }: SharedWatch): Promise<void> {
    try {
      const frames = await watch.look(this.#clock.now());
      if (frames.length === 0) return;
      for (const listener of listeners) listener(frames);
    } catch (error) {
      if (this.#isClosed) return;
      this.#logger.error({ err: error }, "what changed could not be looked up for live pages");
    }
  }
}
