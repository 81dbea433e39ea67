import type { SessionHandler } from "../session/session.ts";

/** The link to the coordinator, as it is now. */
export interface ConnectionState {
  readonly isAccepted: boolean;
  /** Milliseconds since the epoch; null before the first session. */
  readonly since: number | null;
  /** Of the last accepted session. */
  readonly epoch: number | null;
  /** Accepted sessions since the start of the process. */
  readonly sessions: number;
  /** Why there is none now, for people; null before the first try. */
  readonly reason: string | null;
}

/** Notes how the session goes, and passes everything on. */
export class SessionWatch {
  readonly #now: () => number;
  #state: ConnectionState = {
    isAccepted: false,
    since: null,
    epoch: null,
    sessions: 0,
    reason: null,
  };

  constructor(now: () => number) {
    this.#now = now;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The same handler, seen by the status. */
  watch(handler: SessionHandler): SessionHandler {
    return {
      hello: () => handler.hello(),
      welcomed: (welcome) => {
        this.#welcomed(welcome.epoch);
        handler.welcomed(welcome);
      },
      received: (message) => handler.received(message),
      lost: () => {
        this.#state = { ...this.#state, isAccepted: false, since: this.#now() };
        handler.lost();
      },
      waits: (reason) => {
        this.#state = { ...this.#state, reason };
        handler.waits(reason);
      },
      pull: () => handler.pull(),
    };
  }

  /** A welcome also ends every later challenge of the same session, which is then as old as it was. */
  #welcomed(epoch: number): void {
    if (this.#state.isAccepted && this.#state.epoch === epoch) return;
    const { sessions } = this.#state;
    this.#state = {
      isAccepted: true,
      since: this.#now(),
      epoch,
      sessions: sessions + 1,
      reason: null,
    };
  }
}
