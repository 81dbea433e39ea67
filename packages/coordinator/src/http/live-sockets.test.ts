import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { systemClock } from "../clock.ts";
import type { LiveFrame } from "../live/frames.ts";
import type { LiveListener } from "../live/live-hub.ts";
import { createLogger } from "../logger.ts";
import { LiveSockets } from "./live-sockets.ts";

const FRAME: LiveFrame = {
  type: "evaluation_progress",
  project: null,
  evaluation_id: "e".repeat(2000),
};

interface Played extends AsyncDisposable {
  readonly url: string;
  readonly listeners: LiveListener[];
  /** Resolves when a listener was let go. */
  readonly left: Promise<void>;
}

/** Live sockets whose events a test tells. `first` is done to a connection before it is upgraded. */
async function play(first: (socket: Duplex) => void = () => undefined): Promise<Played> {
  const stopping = new AbortController();
  const listeners: LiveListener[] = [];
  let leave = (): void => undefined;
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const sockets = new LiveSockets({
    events: {
      listen: (_scope, listener) => {
        listeners.push(listener);
        return Promise.resolve({ [Symbol.dispose]: () => leave() });
      },
    },
    clock: systemClock,
    logger: createLogger("silent"),
    stopping: stopping.signal,
  });
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    const live = {
      scope: { kind: "evaluation", id: "e" } as const,
      check: () => Promise.resolve(),
    };
    first(socket);
    void sockets.open(live, () => ({ request, socket, head }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    listeners,
    left,
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      server.close();
      await once(server, "close");
    },
  };
}

test("who does not read what is told is dropped, and told that it was too slow", async () => {
  await using live = await play();
  const client = new WebSocket(live.url);
  await once(client, "open");
  const closed = once(client, "close");
  // More at once than is kept for a socket: as if nothing had been read of it for long.
  live.listeners[0]?.(Array.from({ length: 20_000 }, () => FRAME));
  expect((await closed)[0]).toBe(1013);
  await live.left;
});

test("who has gone before the socket was open is not listened for", async () => {
  await using live = await play((socket) => socket.destroy());
  const client = new WebSocket(live.url);
  const failed = once(client, "error");
  await live.left;
  expect(live.listeners).toHaveLength(1);
  await failed;
});
