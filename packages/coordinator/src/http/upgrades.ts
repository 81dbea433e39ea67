import { ServerResponse, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Socket } from "node:net";

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

/** The upgrade that a request asks for, for whoever goes on with its connection; null for an ordinary request. Call it once. */
export function takeUpgrade(request: IncomingMessage): Upgrade | null {
  const found = waiting.get(request);
  if (found === undefined) return null;
  waiting.delete(request);
  if (found.upgrade.socket instanceof Socket) found.response.detachSocket(found.upgrade.socket);
  return found.upgrade;
}
