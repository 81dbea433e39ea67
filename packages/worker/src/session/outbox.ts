import { encode, type ToCoordinator } from "@gradient/protocol";
import { WorkerError } from "../errors.ts";

/** Control messages are few; so many that wait mean that the peer does not read. */
const MAX_WAITING = 1000;

/**
 * Sends one frame after the other. What `send` takes goes first, in order; when nothing waits, the next message is pulled
 * from the feed. So at most one piece of a log stands before a control message.
 */
export class Outbox {
  readonly #write: (frame: string) => Promise<void>;
  readonly #pull: () => Promise<ToCoordinator | null>;
  readonly #onError: (error: unknown) => void;
  readonly #waiting: ToCoordinator[] = [];
  #isFeeding = false;
  #isPumping = false;
  #isClosed = false;
  /** Something may have come since the feed was last found empty. */
  #isStale = false;
  constructor(options: {
    /** Resolves when the socket has taken the frame. */
    write: (frame: string) => Promise<void>;
    /** The next message of lower priority, or null when there is none now. */
    pull: () => Promise<ToCoordinator | null>;
    onError: (error: unknown) => void;
  }) {
    this.#write = options.write;
    this.#pull = options.pull;
    this.#onError = options.onError;
  }

  /** In order. Too many that wait are an error of the link, told by `onError`. */
  send(message: ToCoordinator): void {
    if (this.#isClosed) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#onError(
        new WorkerError(
          "link-stuck",
          `${MAX_WAITING} messages wait: the coordinator does not read`,
        ),
      );
      return;
    }
    this.#waiting.push(message);
    this.#start();
  }

  /** From now on the feed flows too. */
  startFeed(): void {
    this.#isFeeding = true;
    this.wake();
  }

  /** The feed may have something new. */
  wake(): void {
    this.#isStale = true;
    this.#start();
  }

  /** What waits is dropped. */
  close(): void {
    this.#isClosed = true;
  }

  #start(): void {
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    this.#pump().catch((error: unknown) => {
      if (!this.#isClosed) this.#onError(error);
    });
  }

  async #pump(): Promise<void> {
    try {
      while (!this.#isClosed) {
        const message = this.#waiting.shift() ?? (await this.#next());
        if (message !== null) await this.#write(encode(message));
        else if (this.#waiting.length === 0 && !this.#isStale) return;
      }
    } finally {
      // In the same turn as the last look at the queue: what comes later starts the pump anew.
      this.#isPumping = false;
    }
  }

  async #next(): Promise<ToCoordinator | null> {
    this.#isStale = false;
    return this.#isFeeding ? await this.#pull() : null;
  }
}
