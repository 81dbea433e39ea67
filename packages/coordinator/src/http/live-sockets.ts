import { WebSocketServer, type WebSocket } from "ws";
import type { Clock } from "../clock.ts";
import { CoordinatorError, UnavailableError } from "../errors.ts";
import type { LiveFrame, LiveScope } from "../live/frames.ts";
import type { LiveEvents } from "../live/live-hub.ts";
import type { Logger } from "../logger.ts";
import type { Upgrade } from "./upgrades.ts";

/** Sockets at once. */
const MAX_SOCKETS = 1000;
/** Who does not read so much is dropped: a page that comes back looks at everything again anyway. */
const MAX_UNSENT_BYTES = 256 * 1024;
/** Nothing is expected from the other side. */
const MAX_INCOMING_BYTES = 1024;
/** Ping, and look whether the caller may still see it, when nothing changes. */
const CHECK_EVERY_MS = 15_000;
const CLOSE_MS = 2000;

const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const INTERNAL_ERROR = 1011;
const TRY_AGAIN_LATER = 1013;

export interface LiveRequest {
  readonly scope: LiveScope;
  /** Decides again whether the caller may see it. Throws CoordinatorError when not. */
  readonly check: () => Promise<void>;
}

/** Sockets that are told what changes. Each is asked for its right again before it is told anything. */
export class LiveSockets {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #events: LiveEvents;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_INCOMING_BYTES,
    perMessageDeflate: false,
    clientTracking: true,
  });
  #opening = 0;

  constructor(options: {
    events: LiveEvents;
    clock: Clock;
    logger: Logger;
    stopping: AbortSignal;
  }) {
    const { events, clock, logger, stopping } = options;
    this.#events = events;
    this.#clock = clock;
    this.#logger = logger;
    stopping.addEventListener("abort", () => this.#close(), { once: true });
  }

  /**
   * Speaks WebSocket on the connection until either side ends it. What changes after it is open is told. Rejects with UnavailableError when there
   * are too many sockets already, and with what `take` throws: the connection is not touched then.
   */
  async open(live: LiveRequest, take: () => Upgrade): Promise<void> {
    if (this.#server.clients.size + this.#opening >= MAX_SOCKETS) {
      throw new UnavailableError(
        `${MAX_SOCKETS} pages are told of changes already; ask from time to time instead`,
      );
    }
    this.#opening += 1;
    const listener = new LiveListener(live, this.#clock, this.#logger);
    try {
      const listening = await this.#events.listen(live.scope, (frames) => listener.tell(frames));
      try {
        const { request, socket, head } = take();
        socket.once("close", () => listening[Symbol.dispose]());
        // It may have closed while the first look was taken.
        if (socket.destroyed) listening[Symbol.dispose]();
        this.#server.handleUpgrade(request, socket, head, (accepted) => listener.speak(accepted));
      } catch (error) {
        listening[Symbol.dispose]();
        throw error;
      }
    } finally {
      this.#opening -= 1;
    }
  }

  #close(): void {
    for (const socket of this.#server.clients) closeSocket(socket, GOING_AWAY, "the server stops");
    this.#server.close();
  }
}

class LiveListener {
  readonly #live: LiveRequest;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #socket: WebSocket | null = null;
  /** One check and delivery after the other. */
  #turn: Promise<void> = Promise.resolve();
  #waiting: LiveFrame[] = [];
  #isAlive = true;
  #timer: Disposable | null = null;

  constructor(live: LiveRequest, clock: Clock, logger: Logger) {
    this.#live = live;
    this.#clock = clock;
    this.#logger = logger;
  }

  speak(socket: WebSocket): void {
    this.#socket = socket;
    socket.on("error", (error) => this.#logger.debug({ err: error }, "a live socket failed"));
    socket.on("pong", () => {
      this.#isAlive = true;
    });
    socket.once("close", () => this.#timer?.[Symbol.dispose]());
    this.#timer = this.#checkLater(socket);
    if (this.#waiting.length > 0) this.#turn = this.#turn.then(() => this.#deliver(socket));
  }

  tell(frames: readonly LiveFrame[]): void {
    const socket = this.#socket;
    const isWaiting = this.#waiting.length > 0;
    this.#waiting.push(...frames);
    if (!isWaiting && socket !== null) this.#turn = this.#turn.then(() => this.#deliver(socket));
  }

  async #deliver(socket: WebSocket): Promise<void> {
    if (!(await this.#mayGoOn(socket))) return;
    const frames = this.#waiting;
    this.#waiting = [];
    for (const frame of frames) {
      if (socket.bufferedAmount > MAX_UNSENT_BYTES) {
        closeSocket(socket, TRY_AGAIN_LATER, "too slow");
        return;
      }
      socket.send(JSON.stringify(frame));
    }
  }

  #checkLater(socket: WebSocket): Disposable {
    return this.#clock.after(CHECK_EVERY_MS, () => {
      if (!this.#isAlive) {
        socket.terminate();
        return;
      }
      this.#isAlive = false;
      socket.ping();
      this.#turn = this.#turn.then(async () => {
        if (await this.#mayGoOn(socket)) this.#timer = this.#checkLater(socket);
      });
    });
  }

  /** Closes the socket when its caller may not see it any more. */
  async #mayGoOn(socket: WebSocket): Promise<boolean> {
    if (socket.readyState !== socket.OPEN) return false;
    try {
      await this.#live.check();
      return socket.readyState === socket.OPEN;
    } catch (error) {
      this.#fail(socket, error);
      return false;
    }
  }

  #fail(socket: WebSocket, error: unknown): void {
    if (error instanceof CoordinatorError) {
      closeSocket(socket, POLICY_VIOLATION, error.code);
      return;
    }
    this.#logger.error({ err: error }, "a live socket could not be served");
    closeSocket(socket, INTERNAL_ERROR, "internal error");
  }
}

/** Cuts the connection when the other side does not answer. */
function closeSocket(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  const cut = setTimeout(() => socket.terminate(), CLOSE_MS);
  cut.unref();
  socket.once("close", () => clearTimeout(cut));
}
