import { setTimeout as sleep } from "node:timers/promises";
import type { Hello, ToCoordinator, Welcome } from "@gradient/protocol";
import { hasUsableEntry, tokenFor } from "../identity/peers.ts";
import type { PeersSource } from "../identity/peers-source.ts";
import type { Logger } from "../logger.ts";
import {
  Connection,
  type Auth,
  type Challenge,
  type ConnectionEnd,
  type ConnectionTimings,
  type WorkMessage,
} from "./connection.ts";
import { reconnectDelayMs, supersededDelayMs, type BackoffRange } from "./reconnect-policy.ts";
import { REJECT_ADVICE } from "./reject-codes.ts";

export interface SessionTimings extends ConnectionTimings {
  readonly backoff: BackoffRange;
}

export const SESSION_TIMINGS: SessionTimings = {
  handshakeMs: 15_000,
  pingMs: 20_000,
  deadMs: 60_000,
  backoff: { minMs: 1000, maxMs: 60_000 },
};

/** Who handles what comes over the link. Called in the order of the messages; must not throw. */
export interface SessionHandler {
  /** The first message of the next connection, as things are now. */
  hello(): Hello;
  welcomed(welcome: Welcome): void;
  received(message: WorkMessage): void;
  /** The accepted session is gone. */
  lost(): void;
  /** There is no session for now; the reason is one clause for people. */
  waits(reason: string): void;
  /** The next message that can wait, or null. */
  pull(): Promise<ToCoordinator | null>;
}

/** Keeps the worker connected: dials, authenticates, dials again. What runs on the worker is never ended by it. */
export class Session {
  readonly #server: URL;
  readonly #peers: PeersSource;
  readonly #handler: SessionHandler;
  readonly #timings: SessionTimings;
  readonly #logger: Logger;
  readonly #news = new FailureNews();
  #connection: Connection | null = null;
  /** Ends the current wait; the peers have changed. */
  #interruption = new AbortController();

  constructor(options: {
    server: URL;
    peers: PeersSource;
    handler: SessionHandler;
    timings: SessionTimings;
    logger: Logger;
  }) {
    this.#server = options.server;
    this.#peers = options.peers;
    this.#handler = options.handler;
    this.#timings = options.timings;
    this.#logger = options.logger;
    options.peers.onChange(() => this.#reconnect());
  }

  /** Sends when a session is accepted, else does nothing: the next hello tells how things are then. */
  send(message: ToCoordinator): void {
    this.#connection?.send(message);
  }

  get isAccepted(): boolean {
    return this.#connection?.isAccepted ?? false;
  }

  /** There is something new to pull. */
  wake(): void {
    this.#connection?.wake();
  }

  /** Stays connected until the signal fires; then closes the connection and resolves. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => {
      this.#interruption.abort();
      this.#connection?.close("the worker stops");
    };
    signal.addEventListener("abort", onAbort, { once: true });
    let failures = 0;
    let superseded = 0;
    while (!signal.aborted) {
      this.#interruption = new AbortController();
      const interruption = this.#interruption.signal;
      if (!hasUsableEntry(await this.#peers.read())) {
        this.#handler.waits("the peers have no usable entry");
        this.#logger.warn("the peers have no usable entry; the worker connects when there is one");
        await pause(null, interruption);
        continue;
      }
      if (signal.aborted) break;
      const end = await this.#connect();
      const isSuperseded = end.rejection?.code === "superseded";
      if (end.wasAccepted) failures = 0;
      superseded = isSuperseded ? superseded + 1 : end.wasAccepted ? 0 : superseded;
      const { backoff } = this.#timings;
      const delayMs = isSuperseded
        ? supersededDelayMs(superseded, backoff, Math.random())
        : reconnectDelayMs(failures, backoff, Math.random());
      if (interruption.aborted) continue;
      this.#report(end, delayMs);
      failures += 1;
      await pause(delayMs, interruption);
    }
    signal.removeEventListener("abort", onAbort);
  }

  async #connect(): Promise<ConnectionEnd> {
    const connection = new Connection({
      server: this.#server,
      hello: this.#handler.hello(),
      timings: this.#timings,
      logger: this.#logger,
      answer: (challenge) => this.#answer(challenge),
      onWelcome: (welcome) => this.#welcomed(welcome),
      onMessage: (message) => this.#handler.received(message),
      pull: () => this.#handler.pull(),
    });
    this.#connection = connection;
    const end = await connection.ended;
    this.#connection = null;
    if (end.wasAccepted) this.#handler.lost();
    this.#handler.waits(end.reason);
    return end;
  }

  /** Reads the peers anew, so that a rotated token counts at once. */
  async #answer(challenge: Challenge): Promise<Auth> {
    const peers = await this.#peers.read();
    const tokens: Auth["tokens"] = [];
    for (const peer of challenge.peers) {
      const token = tokenFor(peers, peer);
      if (token !== null) tokens.push({ peer, token });
    }
    if (tokens.length < challenge.peers.length) {
      const missing = challenge.peers.filter((peer) => tokenFor(peers, peer) === null);
      this.#logger.warn({ organizations: missing }, "there is no token for organizations that ask");
    }
    return { type: "auth", nonce: challenge.nonce, tokens };
  }

  #welcomed(welcome: Welcome): void {
    const { epoch, version, authorized, failed } = welcome;
    this.#logger.info(
      { server: this.#server.href, epoch, version, authorized },
      "session accepted",
    );
    for (const { peer, reason } of failed) {
      this.#logger.warn({ organization: peer, reason }, "organization did not accept the token");
    }
    this.#handler.welcomed(welcome);
  }

  #reconnect(): void {
    this.#interruption.abort();
    this.#connection?.close("the peers have changed");
  }

  #report(end: ConnectionEnd, retryInMs: number): void {
    const { tries, isWorthTelling } = this.#news.of(end);
    const facts = { server: this.#server.href, reason: end.reason, tries, retryInMs };
    if (end.rejection) {
      const { code } = end.rejection;
      const level = isWorthTelling ? "error" : "debug";
      this.#logger[level]({ ...facts, code, advice: REJECT_ADVICE[code] }, "session refused");
    } else if (end.wasAccepted) {
      this.#logger.warn(facts, "session lost; running jobs go on");
    } else {
      const level = isWorthTelling ? "warn" : "debug";
      this.#logger[level](facts, "cannot connect to the coordinator");
    }
  }
}

/** Says which failures to connect are worth a line: while a coordinator is away for hours they would fill the log. */
class FailureNews {
  #reason: string | null = null;
  #tries = 0;

  /** `tries`: how often it has ended like this in a row. */
  of({ wasAccepted, reason }: ConnectionEnd): { tries: number; isWorthTelling: boolean } {
    this.#tries = wasAccepted || reason !== this.#reason ? 1 : this.#tries + 1;
    this.#reason = reason;
    return { tries: this.#tries, isWorthTelling: Number.isInteger(Math.log2(this.#tries)) };
  }
}

/** Waits, or until it is interrupted; null: only that. */
async function pause(delayMs: number | null, interruption: AbortSignal): Promise<void> {
  // The longest delay of a timer; the loop goes round again then.
  await sleep(delayMs ?? 2 ** 31 - 1, undefined, { signal: interruption }).catch(() => undefined);
}
