import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
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

test("who does not read what is told is dropped, and told that it was too slow", async () => {
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
    void sockets.open(live, () => ({ request, socket, head }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(client, "open");
  const closed = once(client, "close");
  // More at once than is kept for a socket: as if nothing had been read of it for long.
  listeners[0]?.(Array.from({ length: 20_000 }, () => FRAME));
  expect((await closed)[0]).toBe(1013);
  await left;
  stopping.abort();
  server.close();
});
