import { CLIENT_MAGIC, OLDEST_MINOR, SERVER_MAGIC } from "../daemon/connection.ts";
import { LAST } from "../daemon/frames.ts";
import { Request } from "../daemon/request.ts";
import { DaemonProtocolError } from "../nix-error.ts";
import type { Step, SteppedSocket } from "./stepped-socket.ts";

/** What evaluators are told, who do nothing with it. */
const VERSION = "relay";

/** Agrees on version 1.`minor` with a client, and goes on with its requests. The rest of the handshake waits for our number. */
export function greet(client: SteppedSocket, minor: number, serveRequest: () => Step): Step {
  const reader = client.reader();
  const magic = reader.number();
  if (reader.isShort) return "more";
  if (magic !== CLIENT_MAGIC) {
    throw new DaemonProtocolError("an evaluator does not speak the worker protocol");
  }
  client.take(reader.at);
  client.write(new Request().number(SERVER_MAGIC).number((1 << 8) | minor));
  client.goOnWith(() => agree(client, minor, serveRequest));
  return "done";
}

function agree(client: SteppedSocket, minor: number, serveRequest: () => Step): Step {
  const reader = client.reader();
  const theirs = reader.number();
  const hasAffinity = reader.number() !== 0;
  if (hasAffinity) reader.number();
  reader.number(); // reserved space
  if (reader.isShort) return "more";
  if (theirs < ((1 << 8) | minor)) {
    throw new DaemonProtocolError(`an evaluator speaks protocol ${theirs >> 8}.${theirs & 0xff}`);
  }
  client.take(reader.at);
  const greeting = new Request();
  if (minor >= OLDEST_MINOR) greeting.string(VERSION);
  client.write(greeting.number(LAST));
  client.goOnWith(serveRequest);
  return "done";
}
