import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, rename, rm } from "node:fs/promises";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { join } from "node:path";
import { reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import { MAX_SOCKET_PATH } from "../identity/state-lock.ts";
import type { Logger } from "../logger.ts";
import { METRICS_CONTENT_TYPE } from "./metrics.ts";
import type { WorkerStatus } from "./status.ts";

/** Name of the socket in the state directory. */
export const STATUS_SOCKET = "status.sock";
const JSON_TYPE = "application/json";
/** Answers that are under way get this long when the worker ends. */
const CLOSE_MS = 1000;

/** What the worker tells of itself. */
export interface StatusSource {
  status(): Promise<WorkerStatus>;
  metrics(): Promise<string>;
}

export interface StatusServerOptions {
  readonly source: StatusSource;
  readonly stateDirectory: string;
  /** Where metrics are served by TCP too; null for nowhere. */
  readonly metricsListen: { readonly host: string; readonly port: number } | null;
  /** Somebody asks the worker to finish what runs and go. */
  readonly onDrain: () => void;
  readonly logger: Logger;
}

/**
 * Answers whoever may use the state directory, by HTTP on a Unix socket: `GET /status`, `GET /metrics`, and `POST /drain`, which answers at
 * once, or with `?wait` when the worker ends.
 */
export class StatusServer implements AsyncDisposable {
  readonly #options: StatusServerOptions;
  readonly #path: string;
  readonly #servers: Server[] = [];
  /** Those who wait for the end. */
  readonly #waiting = new Set<ServerResponse>();

  private constructor(options: StatusServerOptions) {
    this.#options = options;
    this.#path = join(options.stateDirectory, STATUS_SOCKET);
  }

  /** Call it with the state directory's lock: a socket that is there is nobody's. Rejects with a UserError when one can not be opened. */
  static async open(options: StatusServerOptions): Promise<StatusServer> {
    const server = new StatusServer(options);
    try {
      await server.#listenOnSocket();
      if (options.metricsListen !== null) await server.#listenOnPort(options.metricsListen);
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Port of the metrics by TCP; null when there are none. */
  get metricsPort(): number | null {
    const address = this.#servers[1]?.address();
    return typeof address === "object" && address !== null ? address.port : null;
  }

  /** Those who wait for the end get the last status. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#waiting.size > 0) {
      const status = await this.#options.source.status();
      for (const response of this.#waiting) response.end(jsonText(status));
    }
    await rm(this.#path, { force: true });
    await Promise.all(this.#servers.map((server) => closed(server)));
  }

  /** Under another name first: nobody but the owner may ever open it. */
  async #listenOnSocket(): Promise<void> {
    if (Buffer.byteLength(this.#path) > MAX_SOCKET_PATH) {
      throw new UserError(
        "state-dir",
        `the state directory's path is too long: ${this.#path} may have ${MAX_SOCKET_PATH} bytes`,
      );
    }
    const { stateDirectory } = this.#options;
    const temporary = join(stateDirectory, `.${randomBytes(4).toString("hex")}`);
    try {
      await this.#listen((request, response) => this.#answer(request, response), {
        path: temporary,
      });
      await chmod(temporary, 0o600);
      await rename(temporary, this.#path);
    } catch (cause) {
      throw new UserError("status-socket", `cannot open ${this.#path}: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }

  async #listenOnPort(at: { host: string; port: number }): Promise<void> {
    try {
      await this.#listen((request, response) => this.#answerMetrics(request, response), at);
    } catch (cause) {
      const where = `${at.host}:${at.port}`;
      throw new UserError(
        "metrics",
        `cannot serve metrics on ${where}: ${reasonOf(cause)}; choose another address with --metrics-listen`,
        { cause },
      );
    }
  }

  async #listen(
    answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
    at: { path: string } | { host: string; port: number },
  ): Promise<void> {
    const server = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => {
        this.#options.logger.error({ err: error }, "a question about the status was not answered");
        send(response, 500, "text/plain", "the worker can not tell\n");
      });
    });
    server.listen(at);
    await once(server, "listening");
    this.#servers.push(server);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { source, onDrain } = this.#options;
    switch (`${request.method} ${request.url}`) {
      case "GET /status":
        return sendJson(response, 200, await source.status());
      case "POST /drain":
        onDrain();
        return sendJson(response, 202, await source.status());
      case "POST /drain?wait":
        this.#waiting.add(response);
        response.on("close", () => this.#waiting.delete(response));
        // Now, so that whoever asks knows that it was heard; what else there is to say comes at the end.
        response.writeHead(202, { "content-type": JSON_TYPE }).flushHeaders();
        return onDrain();
      default:
        return this.#answerMetrics(request, response);
    }
  }

  async #answerMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isAsked = request.method === "GET" && request.url === "/metrics";
    if (isAsked) send(response, 200, METRICS_CONTENT_TYPE, await this.#options.source.metrics());
    else send(response, 404, "text/plain", "there is /metrics\n");
  }
}

function sendJson(response: ServerResponse, code: number, value: unknown): void {
  send(response, code, JSON_TYPE, jsonText(value));
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function send(response: ServerResponse, code: number, type: string, body: string): void {
  if (response.headersSent) return;
  response.writeHead(code, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

/** Answers that are under way are sent. Whoever keeps a connection open, and asks nothing or does not read, holds up nothing. */
async function closed(server: Server): Promise<void> {
  const end = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await end;
  clearTimeout(timer);
}
