import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { FastifyServerFactoryHandler } from "fastify";
import { BadRequestError, CoordinatorError, RateLimitedError } from "../errors.ts";
import type { Services } from "./api.ts";
import { errorBody } from "./errors.ts";
import { answerOf, type LaneAnswer, type LaneRequest } from "./lane.ts";
import { LaneSockets, type LaneSocketsParts } from "./lane-sockets.ts";
import type { RateLimits } from "./rate-limits/rate-limits.ts";
import { REQUEST_ID_HEADER } from "./request-ids.ts";
import { RequestTurns } from "./request-turns.ts";
import { handshakeFault, routeUpgrade, type Upgrade } from "./upgrades.ts";

const HEADERS_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 75_000;
/** A connection in the middle of a request or answer may be silent for so long; log streams have no limit. */
const SILENCE_MS = 120_000;
/** Time to read an answer that came before the end of the request. */
const LINGER_MS = 2000;

type Needs = Pick<
  Services,
  "lanes" | "rateLimits" | "requestIds" | "workers" | "metrics" | "stopping"
>;

/** Node's server under Fastify: what never gets to a route is answered here, in the envelope. */
export function rawServer(services: Needs, handler: FastifyServerFactoryHandler): Server {
  const { lanes, requestIds } = services;
  const turns = new RequestTurns();
  const answered = (request: LaneRequest, answer: LaneAnswer): void =>
    noteAnswer(services, request, answer);
  // Node would answer a request without Host with nothing in it; so it is looked for here.
  const server = createServer({ noDelay: true, requireHostHeader: false }, (request, response) => {
    const answer = answerOf(lanes, request);
    if (answer !== null) {
      const id = [REQUEST_ID_HEADER, requestIds.of(request)];
      response.writeHead(answer.status, [...headersOf(answer), ...id]);
      // A text is written together with the head. Node leaves the body of an answer to HEAD away.
      response.end(answer.body, "latin1");
      answered(request, answer);
      return;
    }
    closeIfUnread(request, response);
    const fault = faultOf(request);
    if (fault === null) turns.begin(() => handler(request, response));
    else request.socket.end(rawAnswer(fault, services.requestIds.of(request)));
  });
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // A worker uploads a NAR for as long as it takes, if only something comes.
  server.requestTimeout = 0;
  server.timeout = SILENCE_MS;
  server.on("checkExpectation", (request) => {
    const fault = new CoordinatorError(
      "the only expectation that is met is 100-continue",
      417,
      "expectation_failed",
    );
    request.socket.end(rawAnswer(fault, services.requestIds.of(request)));
  });
  server.on("upgrade", (request, socket, head) =>
    upgrade(services, { request, socket, head }, handler),
  );
  acceptByLanes(server, { lanes, requestIds, answered, stopping: services.stopping });
  return server;
}

/**
 * What a route has left of a body stands in the way of the next request: Node reads no further, and who has sent all of it waits on this connection until that is old.
 * So it is closed, at first in our direction only: all at once would take the answer from who still sends.
 */
function closeIfUnread(request: IncomingMessage, response: ServerResponse): void {
  // A request that was given up does not know its connection any more.
  const { socket } = request;
  response.once("finish", () => {
    const isReadOn = request.readableFlowing === true && !request.destroyed;
    if (request.complete || isReadOn) return;
    socket.end();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
}

/** Names and values in turn. */
function headersOf({ head }: LaneAnswer): string[] {
  const lines = head.split("\r\n").slice(0, -1);
  return lines.flatMap((line) => {
    const at = line.indexOf(": ");
    return [line.slice(0, at), line.slice(at + 2)];
  });
}

/** What is done behind an answer: it is counted as by the router, which never sees it. */
function noteAnswer({ metrics }: Needs, { method = "" }: LaneRequest, answer: LaneAnswer): void {
  const { route, status } = answer;
  answer.after();
  metrics?.answered({ method, route, status, durationMs: 0 });
}

/** Node gets a connection when lanes do not want it (see the event `connection` of its documentation). */
function acceptByLanes(
  server: Server,
  parts: Pick<LaneSocketsParts, "lanes" | "requestIds" | "answered" | "stopping">,
): void {
  const ofNode = server.listeners("connection");
  const handOver = (socket: Socket): void => {
    for (const listener of ofNode) listener.call(server, socket);
  };
  const sockets = new LaneSockets({ ...parts, handOver, keepAliveMs: KEEP_ALIVE_MS });
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => sockets.accept(socket));
}

/** Of what Node takes, what a proxy might have understood otherwise (RFC 9112, 2.3 and 3.2). */
function faultOf(request: IncomingMessage): CoordinatorError | null {
  const { httpVersion } = request;
  if (httpVersion === "0.9") return new BadRequestError("the request names no version of HTTP");
  const hosts = request.headersDistinct["host"]?.length ?? 0;
  if (hosts > 1) return new BadRequestError("a request has one Host header");
  if (hosts === 1 || httpVersion !== "1.1") return null;
  return new BadRequestError("an HTTP/1.1 request needs a Host header");
}

/** Workers speak to the farm; everything else is a route's, which may take the connection over or answer as if no upgrade was asked for. */
function upgrade(services: Needs, asked: Upgrade, handler: FastifyServerFactoryHandler): void {
  const { request, socket, head } = asked;
  const isWorker = request.url?.split("?", 1)[0] === "/proto";
  if (!isWorker && (request.method === "GET" || request.method === "HEAD")) {
    routeUpgrade(handler, asked);
    return;
  }
  const fault = isWorker
    ? (refusedBy(services.rateLimits, request) ?? handshakeFault(request))
    : BODY_OF_UPGRADE;
  if (fault === null) services.workers.upgrade(request, socket, head);
  else socket.end(rawAnswer(fault, services.requestIds.of(request)));
}

/** Node gives up reading a request that asks for an upgrade behind its headers. */
const BODY_OF_UPGRADE = new BadRequestError("a request with a body cannot ask for an upgrade");

function refusedBy(limits: RateLimits, request: IncomingMessage): CoordinatorError | null {
  const waitMs = limits.take("default", request);
  return waitMs === 0 ? null : new RateLimitedError(waitMs);
}

const MALFORMED: Readonly<Record<string, [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "the headers are larger than this server takes"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the headers did not come in time"],
};

/** Answers what is not even HTTP. */
export function refuseMalformed(
  error: Error & { code?: string },
  socket: Socket,
  requestId: string,
): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = MALFORMED[error.code ?? ""] ?? [
    400,
    "the request is not HTTP that this server understands",
  ];
  socket.end(rawAnswer(new CoordinatorError(message, status, "bad_request"), requestId));
}

/** An answer for a socket that no response object belongs to; the connection ends with it. */
function rawAnswer(error: CoordinatorError, requestId: string): string {
  const body = JSON.stringify(errorBody(error));
  const retry =
    error instanceof RateLimitedError ? [`Retry-After: ${error.retryAfterSeconds}`] : [];
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ""}`,
    "Connection: close",
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `${REQUEST_ID_HEADER}: ${requestId}`,
    ...retry,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}
