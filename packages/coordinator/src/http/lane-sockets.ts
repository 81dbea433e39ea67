import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { answerOf, type Lane, type LaneAnswer, type LaneRequest } from "./lane.ts";
import { PlainRequests } from "./plain-request.ts";
import { REQUEST_ID_HEADER, type RequestIds } from "./request-ids.ts";

export interface LaneSocketsParts {
  lanes: readonly Lane[];
  requestIds: Pick<RequestIds, "of">;
  /** Called when an answer is on its way. */
  answered: (request: LaneRequest, answer: LaneAnswer) => void;
  /** Takes a connection for good, of which nothing was read. */
  handOver: (socket: Socket) => void;
  /** Aborts when the server stops. */
  stopping: AbortSignal;
  /** How long a connection may be idle. */
  keepAliveMs: number;
}

/**
 * Connections of which lanes have answered every request so far: what Node does for each request takes longer than the answer itself. With the first one
 * that no lane answers, or that is not plain, a connection becomes one of Node's as if it had just been opened.
 */
export class LaneSockets {
  readonly #parts: LaneSocketsParts;
  readonly #keepAlive: string;
  readonly #open = new Map<Socket, () => void>();
  #second = 0;
  #endOfHeads = "";

  constructor(parts: LaneSocketsParts) {
    this.#parts = parts;
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${parts.keepAliveMs / 1000}\r\n\r\n`;
    parts.stopping.addEventListener("abort", () => this.#stop(), { once: true });
  }

  accept(socket: Socket): void {
    const { handOver, stopping, keepAliveMs } = this.#parts;
    if (stopping.aborted) {
      handOver(socket);
      return;
    }
    const requests = new PlainRequests(socket);
    const listeners = {
      data: (piece: Buffer) => {
        // Whoever does not read answers gets no further ones from here, so that they do not pile up.
        const request = socket.writableLength === 0 ? requests.read(piece) : null;
        const answer = request === null ? null : answerOf(this.#parts.lanes, request);
        if (request !== null && answer !== null) {
          this.#send(socket, request, answer);
          this.#parts.answered(request, answer);
          return;
        }
        // Its flow begins anew in Node's hands: while it flows, what is given back makes it read on although nobody takes the body.
        socket.pause();
        socket.unshift(piece);
        release();
        process.nextTick(() => socket.resume());
      },
      end: () => socket.end(),
      timeout: () => socket.destroy(),
      // It is closed then.
      error: () => {},
      close: () => this.#open.delete(socket),
    };
    const release = (): void => {
      for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
      this.#open.delete(socket);
      handOver(socket);
    };
    for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
    socket.setTimeout(keepAliveMs);
    this.#open.set(socket, release);
  }

  #send(socket: Socket, request: LaneRequest, answer: LaneAnswer): void {
    const head = this.#headOf(request, answer);
    const body = request.method === "HEAD" ? "" : answer.body;
    if (typeof body === "string") {
      socket.write(head + body, "latin1");
    } else {
      // Both in one call of the system.
      socket.cork();
      socket.write(head, "latin1");
      socket.write(body);
      socket.uncork();
    }
  }

  /** As Node writes it. */
  #headOf(request: LaneRequest, { status, head }: LaneAnswer): string {
    const id = this.#parts.requestIds.of(request);
    return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${head}${REQUEST_ID_HEADER}: ${id}\r\n${this.#end()}`;
  }

  /** What all heads of one second end with. */
  #end(): string {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#endOfHeads = `Date: ${new Date(second * 1000).toUTCString()}\r\n${this.#keepAlive}`;
    }
    return this.#endOfHeads;
  }

  /** Idle connections end; those that still get an answer are Node's, which cuts them off after a while. */
  #stop(): void {
    for (const [socket, release] of this.#open) {
      if (socket.writableLength === 0) socket.destroy();
      else release();
    }
  }
}
