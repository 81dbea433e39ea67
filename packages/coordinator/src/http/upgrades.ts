import { ServerResponse, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Socket } from "node:net";
import { BadRequestError } from "../errors.ts";

/** A connection that asks to speak another protocol. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

const waiting = new WeakMap<IncomingMessage, { upgrade: Upgrade; response: ServerResponse }>();

/**
 * Gives an upgrade request to the same routes as any other, so that access is decided in one place and a refusal is an ordinary answer. The
 * connection ends with that answer unless the route takes it over.
 */
export function routeUpgrade(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  upgrade: Upgrade,
): void {
  const { request, socket } = upgrade;
  if (!(socket instanceof Socket)) {
    socket.destroy();
    return;
  }
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once("finish", () => socket.end());
  socket.once("error", () => socket.destroy());
  waiting.set(request, { upgrade, response });
  handler(request, response);
}

/** What is wrong with a request that begins a WebSocket (RFC 6455, 4.2.1). The library would say it in plain text. */
export function handshakeFault({ method, headers }: IncomingMessage): BadRequestError | null {
  if (method !== "GET" || headers.upgrade?.toLowerCase() !== "websocket") {
    return new BadRequestError("connect to this address with a WebSocket");
  }
  if (!HANDSHAKE_KEY.test(headers["sec-websocket-key"] ?? "")) {
    return new BadRequestError("a WebSocket needs 16 bytes in base 64 as Sec-WebSocket-Key");
  }
  if (headers["sec-websocket-version"] === "13") return null;
  return new BadRequestError("the version of WebSocket that is spoken here is 13");
}

const HANDSHAKE_KEY = /^[+/0-9A-Za-z]{22}==$/;

/** The upgrade that a request asks for, for whoever goes on with its connection; null for an ordinary request. Call it once. */
export function takeUpgrade(request: IncomingMessage): Upgrade | null {
  const found = waiting.get(request);
  if (found === undefined) return null;
  waiting.delete(request);
  if (found.upgrade.socket instanceof Socket) found.response.detachSocket(found.upgrade.socket);
  return found.upgrade;
}
