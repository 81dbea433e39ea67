import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { MAX_FRAME_BYTES, workerIdSchema, type ToCoordinator } from "@gradient/protocol";
import { WebSocketServer, type WebSocket } from "ws";
import type { Clock } from "../clock.ts";
import { renewLeases } from "../db/assignment-repository.ts";
import type { Database } from "../db/client.ts";
import { findWorkerKeys } from "../db/key-change-repository.ts";
import { findActiveRegistrations, markSeen } from "../db/worker-repository.ts";
import type { Logger } from "../logger.ts";
import type { LiveWorker, WorkerLink } from "../ports.ts";
import type { LeaseBook } from "../queue/lease-book.ts";
import { authorize, restrict } from "./authorization.ts";
import { newNonce, shakeHands } from "./handshake.ts";
import { Link } from "./link.ts";
import type { HeadQuestions } from "./head-questions.ts";
import type { MessageHandler } from "./message-handler.ts";
import { reconcile, type ReconcileOptions } from "./reconcile.ts";
import type { Roster } from "./roster.ts";
import { Session } from "./session.ts";

/** After so many pings without any sign of life the socket is dead. */
const MISSED_PINGS = 3;
/** So long a worker may take to answer a probe. */
const PROBE_MS = 5000;
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;
/** Sockets at once, authenticated or not. */
const MAX_CONNECTIONS = 2000;

export interface WorkerSessionsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly roster: Roster;
  readonly leases: LeaseBook;
  readonly handler: MessageHandler;
  readonly heads: HeadQuestions;
  readonly reconcile: ReconcileOptions;
  readonly leaseMs: number;
  readonly handshakeMs: number;
  readonly pingMs: number;
  /** Who is connected, or what they may do, has changed. `more` when only something was added. */
  readonly onFleetChanged: (change: "more" | "less") => void;
  /** Another key was pinned for a worker. */
  readonly onKeyChanged: () => void;
}

/** The worker link: from the upgrade of a socket to its end. */
export class WorkerSessions implements WorkerLink, AsyncDisposable {
  readonly #options: WorkerSessionsOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #served = new Map<Link, Promise<void>>();
  #isClosed = false;

  constructor(options: WorkerSessionsOptions) {
    this.#options = options;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (accepted) => this.#accept(accepted));
  }

  live(): readonly LiveWorker[] {
    const { roster, leases } = this.#options;
    return [...roster.connected()].map((session) => ({
      worker: session.id,
      capabilities: session.capabilities,
      systems: [...session.systems],
      systemFeatures: [...session.features],
      maxConcurrentBuilds: session.maxConcurrentBuilds,
      assignedCount: [...leases.ofWorker(session.id)].length,
      isDraining: session.isDraining,
      authorized: session.authorized,
    }));
  }

  /** What was withdrawn stops counting at once; the worker is then asked for the tokens of what there is now. */
  async registrationsChanged(workerId: string): Promise<void> {
    const { database, clock, roster, handshakeMs, onFleetChanged } = this.#options;
    const session = roster.findAny(workerIdSchema.parse(workerId));
    if (session === null) return;
    const registrations = await findActiveRegistrations(database.kysely, session.id);
    session.authorization = restrict(session.authorization, registrations);
    onFleetChanged("less");
    session.nonce = null;
    // It stays connected, and is let in nowhere: neither now nor when it comes back.
    if (registrations.length === 0) return;
    const nonce = newNonce();
    session.nonce = nonce;
    session.send({
      type: "challenge",
      nonce,
      peers: registrations.map(({ organization }) => organization),
    });
    clock.after(handshakeMs, () => {
      if (session.nonce !== nonce) return;
      session.link.reject("timeout", `the challenge was not answered within ${handshakeMs} ms`);
    });
  }

  /** A session with the old key would go on signing with it. */
  async keyChanged(workerId: string): Promise<void> {
    const { database, roster, onKeyChanged } = this.#options;
    const session = roster.findAny(workerIdSchema.parse(workerId));
    const keys = await findWorkerKeys(database.kysely, workerId);
    if (session !== null && keys !== null && session.publicKey.toString() !== keys.key) {
      session.link.reject("key-changed", "an administrator has approved another signing key");
    }
    onKeyChanged();
  }

  async probe(workerId: string): Promise<number | null> {
    const { clock, roster } = this.#options;
    const session = roster.findAny(workerIdSchema.parse(workerId));
    if (session === null) return null;
    const startedAt = clock.now();
    return new Promise((resolve) => {
      const deadline = clock.after(PROBE_MS, () => resolve(null));
      void session.link.probe().then(() => {
        deadline[Symbol.dispose]();
        resolve(clock.now() - startedAt);
      });
    });
  }

  /** Closes a session that showed no valid token, once what it holds has come to its end. */
  #dismissIfUseless(session: Session): void {
    if (!session.isRefused || session.nonce !== null || session.authorized.size > 0) return;
    if (this.#options.leases.ofWorker(session.id).next().done !== true) return;
    void session.answered.then(() =>
      session.link.reject("unauthorized", "no token of this worker is valid any more"),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const link of this.#served.keys()) link.close(GOING_AWAY, "the coordinator stops");
    await Promise.all(this.#served.values());
    this.#server.close();
  }

  #accept(socket: WebSocket): void {
    if (this.#served.size >= MAX_CONNECTIONS) {
      socket.close(TRY_AGAIN_LATER, "too many connections");
      return;
    }
    const link = new Link(socket, this.#options.logger);
    const served = this.#serve(link)
      .catch((error: unknown) => {
        this.#options.logger.error({ err: error }, "a worker's session failed");
        link.fail(error);
      })
      .finally(() => this.#served.delete(link));
    this.#served.set(link, served);
  }

  async #serve(link: Link): Promise<void> {
    const { database, clock, roster, handshakeMs, logger, onFleetChanged } = this.#options;
    const admitted = await shakeHands({ database, clock, deadlineMs: handshakeMs }, link);
    if (admitted === null) return;
    const session = new Session(link, admitted);
    if (!roster.enter(session)) {
      link.reject("superseded", "a newer connection of this worker took over");
      return;
    }
    try {
      // What was withdrawn before others could find the session here.
      const registrations = await findActiveRegistrations(database.kysely, session.id);
      session.authorization = restrict(session.authorization, registrations);
      if (session.authorized.size === 0) {
        link.reject("unauthorized", "the worker was unregistered while it connected");
        return;
      }
      const verdicts = await reconcile(this.#options.reconcile, admitted.hello);
      await this.#renew(session);
      session.welcome(verdicts);
      logger.info({ worker: session.id, epoch: session.epoch }, "a worker has connected");
      onFleetChanged("more");
      using _watch = this.#watch(session);
      await this.#listen(session);
    } finally {
      this.#options.heads.lost(session);
      if (roster.leave(session)) {
        logger.info({ worker: session.id, epoch: session.epoch }, "a worker has gone");
        onFleetChanged("less");
      }
    }
  }

  async #listen(session: Session): Promise<void> {
    const { handler, onFleetChanged } = this.#options;
    for (;;) {
      const message = await session.link.next();
      if (message === null) return;
      if (message.type === "hello") {
        session.send({ type: "refused", reason: "hello comes once, as the first message" });
      } else if (message.type === "auth") {
        await this.#reauthorize(session, message);
      } else {
        await handler.handle(session, message);
        if (message.type === "draining") onFleetChanged("less");
        this.#dismissIfUseless(session);
      }
    }
  }

  async #reauthorize(
    session: Session,
    message: Extract<ToCoordinator, { type: "auth" }>,
  ): Promise<void> {
    const { database, onFleetChanged } = this.#options;
    if (message.nonce !== session.nonce) {
      session.send({ type: "refused", reason: "auth answers no open challenge" });
      return;
    }
    const registrations = await findActiveRegistrations(database.kysely, session.id);
    // Registrations changed again meanwhile: the newer challenge counts.
    if (message.nonce !== session.nonce) return;
    session.nonce = null;
    session.authorization = authorize(registrations, message.tokens);
    session.isRefused = registrations.length > 0 && session.authorized.size === 0;
    if (session.authorized.size > 0) {
      session.welcome([]);
      onFleetChanged("more");
    } else {
      onFleetChanged("less");
      this.#dismissIfUseless(session);
    }
  }

  /** Pings, and ends a socket that gives no sign of life. Leases are renewed by pongs, apart from all work. */
  #watch(session: Session): Disposable {
    const { clock, pingMs, logger } = this.#options;
    const { link } = session;
    let unanswered = 0;
    let timer: Disposable;
    link.onAlive(() => {
      unanswered = 0;
    });
    link.onPong(() => {
      this.#dismissIfUseless(session);
      this.#renew(session).catch((error: unknown) => {
        logger.error({ err: error, worker: session.id }, "leases could not be renewed");
      });
    });
    const tick = (): void => {
      if (!link.isPaused) unanswered += 1;
      if (unanswered > MISSED_PINGS) {
        logger.warn({ worker: session.id }, "a worker gives no sign of life");
        link.terminate();
        return;
      }
      link.ping();
      timer = clock.after(pingMs, tick);
    };
    timer = clock.after(pingMs, tick);
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
  }

  async #renew(session: Session): Promise<void> {
    const { database, clock, leases, leaseMs } = this.#options;
    const now = clock.now();
    await database.relaxedTransaction(async ({ kysely }) => {
      await renewLeases(kysely, session.id, now + leaseMs);
      await markSeen(kysely, session.id, now);
    });
    const renewed = [...leases.ofWorker(session.id)].filter(
      ({ lease }) => lease.state === "accepted",
    );
    if (!session.isWelcomed || renewed.length === 0) return;
    session.send({
      type: "leases",
      leases: renewed.map(({ lease: { assignment, fencing } }) => ({
        assignment,
        fencing,
        remainingMs: leaseMs,
      })),
    });
  }
}
