import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  decodeToCoordinator,
  encode,
  type AssignmentId,
  type Hello,
  type ToCoordinator,
  type ToWorker,
  type Welcome,
} from "@gradient/protocol";
import { WebSocketServer, type WebSocket } from "ws";
import { ORGANIZATION, TOKEN } from "./offers.ts";
import { TestTransfers } from "./test-transfers.ts";

type Of<T extends ToCoordinator["type"]> = Extract<ToCoordinator, { type: T }>;

/** A coordinator of real sockets and real frames, whose part is played by the test. */
export class TestCoordinator implements AsyncDisposable {
  readonly received: ToCoordinator[] = [];
  readonly transfers = new TestTransfers();
  /** What a welcome tells of each assignment that hello listed. */
  reconcile: (entry: Hello["assignments"][number]) => Welcome["reconcile"][number]["action"] = () =>
    "keep";
  /** null: any token is refused. */
  acceptedToken: string | null = TOKEN;
  /** What the next welcome says that it understands. */
  features: string[] = [];
  /** Answers logs, batches and results as a coordinator does. */
  isAcknowledging = true;
  connections = 0;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #logs = new Map<AssignmentId, Buffer>();
  #socket: WebSocket | null = null;
  #waiting: (() => void)[] = [];
  #epoch = 0;

  private constructor() {
    this.#http = createServer((request, response) => this.#serve(request, response));
    this.#sockets = new WebSocketServer({ server: this.#http, path: "/proto" });
    this.#sockets.on("connection", (socket) => this.#connected(socket));
  }

  /** On a free port, or on the port of one that was stopped. */
  static async start(port = 0): Promise<TestCoordinator> {
    const coordinator = new TestCoordinator();
    coordinator.#http.listen(port, "127.0.0.1");
    await once(coordinator.#http, "listening");
    return coordinator;
  }

  get url(): URL {
    const { port } = this.#http.address() as AddressInfo;
    return new URL(`ws://127.0.0.1:${port}/proto`);
  }

  get port(): number {
    return Number(this.url.port);
  }

  send(message: ToWorker): void {
    this.#socket?.send(encode(message));
  }

  sendRaw(frame: string | Buffer): void {
    this.#socket?.send(frame);
  }

  /** Breaks the connection as a network does: without a goodbye. */
  dropSocket(): void {
    this.#socket?.terminate();
  }

  /** Hangs up with a word. */
  close(code: number, reason: string): void {
    this.#socket?.close(code, reason);
  }

  /** Goes on being connected and says nothing more. */
  freeze(): void {
    this.#socket?.pause();
  }

  challenge(): void {
    this.send({ type: "challenge", nonce: `nonce-${this.#epoch}`, peers: [ORGANIZATION] });
  }

  /** The `count`th message of a type that fits, whenever it comes. */
  async message<T extends ToCoordinator["type"]>(
    type: T,
    fits: (message: Of<T>) => boolean = () => true,
    count = 1,
  ): Promise<Of<T>> {
    for (;;) {
      const found = this.all(type).filter(fits)[count - 1];
      if (found) return found;
      await this.#something();
    }
  }

  all<T extends ToCoordinator["type"]>(type: T): Of<T>[] {
    return this.received.filter((message): message is Of<T> => message.type === type);
  }

  /** The log as it was put together from offsets. */
  log(assignment: AssignmentId): string {
    return (this.#logs.get(assignment) ?? Buffer.alloc(0)).toString("utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    this.#sockets.close();
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, "close");
  }

  async #something(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.transfers.handle(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(JSON.stringify({ code: "internal", error: String(error) }));
    });
  }

  #connected(socket: WebSocket): void {
    this.#socket = socket;
    this.connections += 1;
    let hello: Hello | null = null;
    socket.on("message", (data) => {
      const message = decodeToCoordinator(String(data as Buffer));
      this.received.push(message);
      if (message.type === "hello") {
        hello = message;
        this.challenge();
      } else if (message.type === "auth" && hello) {
        this.#authenticate(message, hello);
      } else {
        this.#acknowledge(message);
      }
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resolve of waiting) resolve();
    });
  }

  #authenticate(message: Of<"auth">, hello: Hello): void {
    if (!message.tokens.some(({ token }) => token === this.acceptedToken)) {
      this.send({ type: "reject", code: "unauthorized", reason: "no token is valid" });
      return;
    }
    this.#epoch += 1;
    this.transfers.token = `session-${this.#epoch}`;
    this.send({
      type: "welcome",
      version: 1,
      features: this.features,
      epoch: this.#epoch,
      transferToken: this.transfers.token,
      authorized: [ORGANIZATION],
      failed: [],
      reconcile: hello.assignments.map((entry) => ({
        assignment: entry.assignment,
        fencing: entry.fencing,
        action: this.reconcile(entry),
      })),
    });
  }

  #acknowledge(message: ToCoordinator): void {
    if (message.type === "log") this.#store(message);
    if (!this.isAcknowledging) return;
    if (message.type === "log") {
      const { assignment, fencing } = message;
      const offset = this.#logs.get(assignment)?.length ?? 0;
      this.send({ type: "log-ack", assignment, fencing, offset });
    } else if (message.type === "eval-jobs") {
      const { assignment, fencing, sequence } = message;
      this.send({ type: "eval-ack", assignment, fencing, sequence });
    } else if (message.type === "result") {
      const { assignment, fencing } = message;
      this.send({ type: "ack", assignment, fencing, accepted: true, reason: null });
    }
  }

  /** By absolute offset: what is known already is skipped, a gap is a fault. */
  #store({ assignment, offset, text }: Of<"log">): void {
    const known = this.#logs.get(assignment) ?? Buffer.alloc(0);
    if (offset > known.length) throw new Error(`log has a gap from ${known.length} to ${offset}`);
    const fresh = Buffer.from(text).subarray(known.length - offset);
    this.#logs.set(assignment, Buffer.concat([known, fresh]));
  }
}
