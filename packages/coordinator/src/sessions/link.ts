import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  decodeToCoordinator,
  encode,
  FrameError,
  type Reject,
  type ToCoordinator,
  type ToWorker,
} from "@gradient/protocol";
import type { RawData, WebSocket } from "ws";
import { isDiskFull } from "../error-facts.ts";
import type { Logger } from "../logger.ts";

/** Frames that wait for their turn; beyond it the socket is not read. */
const MAX_WAITING_FRAMES = 64;
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** How `encode` begins a result. One that begins otherwise waits among the others. */
const RESULT_FRAME = '{"type":"result"';
/** So many other frames go ahead of a result that waits. */
const MAX_AHEAD = 8;
/** A worker that sends so many frames that are none is not worth listening to. */
const MAX_REFUSED_FRAMES = 10;
/** Largest frame before the worker has shown a valid token: a hello with a thousand assignments. */
const MAX_STRANGER_FRAME_BYTES = 256 * 1024;
/** A worker that does not read so much is gone. */
const MAX_UNSENT_BYTES = 32 * 1024 * 1024;
/** So long a peer may take to answer a close before its socket is cut. */
const CLOSE_MS = 2000;

const INTERNAL_ERROR = 1011;
const POLICY_VIOLATION = 1008;

interface WaitingFrame {
  readonly frame: string;
  readonly bytes: number;
}

/**
 * One socket as a sequence of messages. They are handed out one at a time; what waits is bounded, and the rest waits at the sender. Results come together when a
 * worker has signed what it built, and are work: all else goes ahead of them, as it decides when the next builds begin. A result is the last word about its
 * assignment, so nothing that goes ahead is about the same. Pongs are seen by the socket itself and do not wait for messages.
 */
export class Link {
  readonly #socket: WebSocket;
  readonly #logger: Logger;
  readonly #waiting: WaitingFrame[] = [];
  readonly #results: WaitingFrame[] = [];
  /** Frames that went ahead of the first result. */
  #ahead = 0;
  #waitingBytes = 0;
  #refused = 0;
  #isStranger = true;
  #wake: (() => void) | null = null;
  readonly #closed = new AbortController();

  constructor(socket: WebSocket, logger: Logger) {
    this.#socket = socket;
    this.#logger = logger;
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("error", (error) => {
      logger.debug({ err: error }, "the socket of a worker failed");
    });
    socket.on("close", () => {
      this.#closed.abort();
      this.#wake?.();
    });
  }

  /** Aborted when the socket is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Frames wait and the socket is not read: its silence says nothing. */
  get isPaused(): boolean {
    return this.#socket.isPaused;
  }

  /** Nothing is sent on a connection that has ended, and one that does not read is ended. Nobody is told either: what matters is sent again. */
  send(message: ToWorker): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) {
      this.#logger.warn("a worker does not read what it is sent; its connection is closed");
      this.#socket.terminate();
      return;
    }
    this.#socket.send(encode(message));
  }

  /** The worker has shown who it is: its frames may be as large as the protocol allows. */
  admit(): void {
    this.#isStranger = false;
  }

  /** As WebSockets have it (RFC 6455, 5.5.2): answered by the other side's library, not by its work. */
  ping(): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  /** Pings and resolves at the answer; when none comes, never. */
  probe(): Promise<void> {
    const question = randomBytes(8);
    return new Promise((resolve) => {
      const onPong = (answer: Buffer): void => {
        if (!answer.equals(question)) return;
        this.#socket.off("pong", onPong);
        resolve();
      };
      this.#socket.on("pong", onPong);
      if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping(question);
    });
  }

  /** Calls back at every sign of life: a pong, or any frame. */
  onAlive(callback: () => void): void {
    this.#socket.on("pong", callback);
    this.#socket.on("message", callback);
  }

  /** Says why, and closes. */
  reject(code: Reject["code"], reason: string): void {
    this.#logger.info({ code, reason }, "a worker is rejected");
    this.send({ type: "reject", code, reason });
    this.#close(POLICY_VIOLATION, code);
  }

  /** Closes because of a fault of ours: the worker comes back and sends again what was not acknowledged. */
  fail(error: unknown): void {
    const reason = isDiskFull(error) ? "the coordinator's disk is full" : "internal error";
    this.#close(INTERNAL_ERROR, reason);
  }

  /** Closes without a word, as when the coordinator stops. */
  close(code: number, reason: string): void {
    this.#close(code, reason);
  }

  /** At once, without a close frame. */
  terminate(): void {
    this.#socket.terminate();
  }

  onPong(callback: () => void): void {
    this.#socket.on("pong", callback);
  }

  /** The next message; null when the link is closed. Frames that are no messages are refused and skipped. */
  async next(): Promise<ToCoordinator | null> {
    for (;;) {
      if (this.#closed.signal.aborted) return null;
      // Of a row of results none keeps the others that want something, here and over HTTP, from being read.
      if (this.#waiting.length === 0 && this.#results.length > 0) await nextTurn();
      const waiting = this.#take();
      if (waiting === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = null;
        continue;
      }
      this.#waitingBytes -= waiting.bytes;
      if (this.#socket.isPaused && !this.#isFull()) this.#socket.resume();
      const message = this.#decode(waiting.frame);
      if (message !== null) return message;
    }
  }

  #take(): WaitingFrame | undefined {
    if (this.#results.length === 0) return this.#waiting.shift();
    if (this.#waiting.length > 0 && this.#ahead < MAX_AHEAD) {
      this.#ahead += 1;
      return this.#waiting.shift();
    }
    this.#ahead = 0;
    return this.#results.shift();
  }

  #decode(frame: string): ToCoordinator | null {
    try {
      return decodeToCoordinator(frame);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#refuse(error.message);
      return null;
    }
  }

  #refuse(reason: string): void {
    this.#refused += 1;
    this.send({ type: "refused", reason });
    if (this.#refused >= MAX_REFUSED_FRAMES) {
      this.reject("malformed", `${this.#refused} frames were no messages; the last one: ${reason}`);
    }
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#closed.signal.aborted) return;
    if (isBinary) {
      this.#refuse("a binary frame; send one JSON object per text frame");
      return;
    }
    const bytes = bytesOf(data);
    if (this.#isStranger && bytes.length > MAX_STRANGER_FRAME_BYTES) {
      this.reject("malformed", `a frame of ${bytes.length} bytes before the handshake has ended`);
      return;
    }
    const frame = bytes.toString();
    const lane = frame.startsWith(RESULT_FRAME) ? this.#results : this.#waiting;
    lane.push({ frame, bytes: bytes.length });
    this.#waitingBytes += bytes.length;
    if (this.#isFull()) this.#socket.pause();
    this.#wake?.();
  }

  #isFull(): boolean {
    const count = this.#waiting.length + this.#results.length;
    return count >= MAX_WAITING_FRAMES || this.#waitingBytes >= MAX_WAITING_BYTES;
  }

  #close(code: number, reason: string): void {
    this.#closed.abort();
    this.#wake?.();
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    this.#socket.close(code, reason);
    // A paused socket would never see the peer's answer.
    if (this.#socket.isPaused) this.#socket.resume();
    const cut = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
    this.#socket.once("close", () => clearTimeout(cut));
  }
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
