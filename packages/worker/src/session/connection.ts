import { decodeToWorker, FrameError, MAX_FRAME_BYTES } from "@gradient/protocol";
import type { Hello, Reject, ToCoordinator, ToWorker, Welcome } from "@gradient/protocol";
import { WebSocket, type RawData } from "ws";
import { reasonOf } from "../error-facts.ts";
import type { Logger } from "../logger.ts";
import { Outbox } from "./outbox.ts";

export interface ConnectionTimings {
  /** From dialling to the first welcome. */
  readonly handshakeMs: number;
  readonly pingMs: number;
  /** Without any sign of the peer for so long the connection is given up. */
  readonly deadMs: number;
}

/** A challenge as the coordinator sends it. */
export type Challenge = Extract<ToWorker, { type: "challenge" }>;
export type Auth = Extract<ToCoordinator, { type: "auth" }>;
/** What comes on an accepted session. */
export type WorkMessage = Exclude<ToWorker, Challenge | Welcome | Reject>;

export interface ConnectionOptions {
  readonly server: URL;
  readonly hello: Hello;
  readonly timings: ConnectionTimings;
  readonly logger: Logger;
  /** Answers a challenge. */
  readonly answer: (challenge: Challenge) => Promise<Auth>;
  /** Called at every welcome, before anything from the feed is sent. */
  readonly onWelcome: (welcome: Welcome) => void;
  readonly onMessage: (message: WorkMessage) => void;
  /** Messages of lower priority; asked only on an accepted session. */
  readonly pull: () => Promise<ToCoordinator | null>;
}

export interface ConnectionEnd {
  readonly wasAccepted: boolean;
  readonly rejection: Reject | null;
  /** One clause for people. */
  readonly reason: string;
}

/** Time for the peer to answer our close frame. */
const CLOSE_MS = 2000;

/** One dialled socket, from hello to close. It never throws; how it ended is told by `ended`. */
export class Connection {
  readonly ended: Promise<ConnectionEnd>;
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #outbox: Outbox;
  readonly #deadline: NodeJS.Timeout;
  #heartbeat: NodeJS.Timeout | null = null;
  #lastSign: number;
  #wasAccepted = false;
  #rejection: Reject | null = null;
  #reason: string | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#lastSign = performance.now();
    this.#socket = new WebSocket(options.server, {
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
      handshakeTimeout: options.timings.handshakeMs,
    });
    this.#outbox = new Outbox({
      write: (frame) => this.#write(frame),
      pull: options.pull,
      onError: (error) => this.#abandon(reasonOf(error)),
    });
    this.#deadline = setTimeout(
      () => this.#abandon(`no welcome within ${options.timings.handshakeMs} ms`),
      options.timings.handshakeMs,
    );
    this.ended = new Promise((resolve) => {
      this.#socket.on("close", (code, reason) => {
        this.#stop();
        const said =
          reason.length > 0 ? `code ${code}, ${reason.toString("utf8")}` : `code ${code}`;
        resolve({
          wasAccepted: this.#wasAccepted,
          rejection: this.#rejection,
          reason: this.#reason ?? `the coordinator closed the connection (${said})`,
        });
      });
    });
    this.#listen();
  }

  get isAccepted(): boolean {
    return this.#wasAccepted && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Sends ahead of everything that is pulled. Dropped when the session is not accepted: the next hello tells all. */
  send(message: ToCoordinator): void {
    if (this.#wasAccepted) this.#outbox.send(message);
  }

  /** There may be something new to pull. */
  wake(): void {
    this.#outbox.wake();
  }

  /** Says goodbye. */
  close(reason: string): void {
    this.#reason ??= reason;
    if (this.#socket.readyState === WebSocket.CONNECTING) {
      this.#socket.terminate();
      return;
    }
    this.#socket.close(1000);
    setTimeout(() => this.#socket.terminate(), CLOSE_MS).unref();
  }

  /** Hangs up. */
  #abandon(reason: string): void {
    this.#reason ??= reason;
    this.#socket.terminate();
  }

  #listen(): void {
    const socket = this.#socket;
    const { hello, timings } = this.#options;
    socket.on("open", () => {
      this.#sign();
      this.#outbox.send(hello);
      this.#heartbeat = setInterval(() => this.#beat(), timings.pingMs);
    });
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("ping", () => this.#sign());
    socket.on("pong", () => this.#sign());
    // Always followed by `close`.
    socket.on("error", (error) => {
      this.#reason ??= reasonOf(error);
    });
  }

  #stop(): void {
    this.#outbox.close();
    clearTimeout(this.#deadline);
    if (this.#heartbeat) clearInterval(this.#heartbeat);
  }

  #sign(): void {
    this.#lastSign = performance.now();
  }

  #beat(): void {
    const silentMs = performance.now() - this.#lastSign;
    if (silentMs >= this.#options.timings.deadMs) {
      this.#abandon(`the coordinator was silent for ${Math.round(silentMs)} ms`);
      return;
    }
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
    // Results that were sent long ago and not acknowledged come again.
    this.wake();
  }

  #write(frame: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(frame, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#sign();
    if (isBinary || !Buffer.isBuffer(data)) {
      this.#options.logger.warn("binary frame from the coordinator is ignored");
      return;
    }
    let message: ToWorker;
    try {
      message = decodeToWorker(data.toString("utf8"));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#options.logger.warn(
        { reason: error.message },
        "frame from the coordinator is not understood and ignored",
      );
      return;
    }
    this.#dispatch(message);
  }

  #dispatch(message: ToWorker): void {
    switch (message.type) {
      case "challenge":
        this.#answer(message).catch((error: unknown) => this.#abandon(reasonOf(error)));
        break;
      case "welcome":
        clearTimeout(this.#deadline);
        this.#wasAccepted = true;
        this.#options.onWelcome(message);
        this.#outbox.startFeed();
        break;
      case "reject":
        this.#rejection = message;
        this.#reason ??= `the coordinator refused: ${message.reason}`;
        this.#socket.close(1000);
        setTimeout(() => this.#socket.terminate(), CLOSE_MS).unref();
        break;
      case "offer":
      case "ack":
      case "log-ack":
      case "eval-ack":
      case "cancel":
      case "leases":
      case "resolve-head":
      case "refused":
        if (this.#wasAccepted) this.#options.onMessage(message);
        break;
    }
  }

  async #answer(challenge: Challenge): Promise<void> {
    this.#outbox.send(await this.#options.answer(challenge));
  }
}
