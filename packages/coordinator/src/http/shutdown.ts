import type { Server } from "./api.ts";

/** How long answers in flight may take to end. */
const GRACE_MS = 3000;

/** Stops the server: nothing new, long answers end, sockets of sessions are closed by their owner, what is left is cut off after a while. */
export class HttpShutdown implements AsyncDisposable {
  readonly #app: Server;
  readonly #stopping: AbortController;
  readonly #sessions: AsyncDisposable;

  /** `stopping` is aborted first; `sessions` owns the upgraded sockets, which keep the server open. */
  constructor(app: Server, stopping: AbortController, sessions: AsyncDisposable) {
    this.#app = app;
    this.#stopping = stopping;
    this.#sessions = sessions;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    const closed = this.#app.close();
    const cutOff = setTimeout(() => this.#app.server.closeAllConnections(), GRACE_MS);
    try {
      await this.#sessions[Symbol.asyncDispose]();
    } finally {
      await closed;
      clearTimeout(cutOff);
    }
  }
}
