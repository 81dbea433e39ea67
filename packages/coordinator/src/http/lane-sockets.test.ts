import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { headOf, type Lane } from "./lane.ts";
import { LaneSockets } from "./lane-sockets.ts";
import { openTestServer } from "./server.test-support.ts";

const BODY = Buffer.alloc(200_000, "x");

/** Answers `/cache/text` and `/cache/bytes`. */
const lane: Lane = {
  answer: ({ url }) => {
    const body = { "/cache/text": "some text", "/cache/bytes": BODY }[url ?? ""];
    if (body === undefined) return null;
    const head = headOf({ "content-length": body.length });
    return { route: "/", status: 200, head, body, after: () => {} };
  },
};

let server: Server;
let stopping: AbortController;
let answered: string[];
/** What those connections have sent that were handed over. */
let handed: string[];

beforeEach(async () => {
  stopping = new AbortController();
  answered = [];
  handed = [];
  const sockets = new LaneSockets({
    lanes: [lane],
    requestIds: { of: () => "id" },
    answered: ({ url = "" }) => void answered.push(url),
    handOver: (socket) => {
      socket.on("error", () => {});
      socket.on("data", (piece) => {
        if (handed.push(piece.toString("latin1")) === 1) socket.end("from Node");
      });
    },
    stopping: stopping.signal,
    keepAliveMs: 300,
  });
  server = createServer({ allowHalfOpen: true }, (socket) => sockets.accept(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(async () => {
  stopping.abort();
  server.close();
  await once(server, "close");
});

function dial(): Socket {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it does not listen");
  return connect(address.port, "127.0.0.1");
}

const get = (path: string, ...headers: string[]): string =>
  `${[`GET /cache/${path} HTTP/1.1`, "Host: x", ...headers].join("\r\n")}\r\n\r\n`;

test("one connection gets answer after answer, and is Node's from the first that no lane has", async () => {
  const socket = dial();
  const answers = text(socket);
  socket.write(get("text"));
  await vi.waitFor(() => expect(answered).toHaveLength(1));
  socket.write(get("bytes"));
  await vi.waitFor(() => expect(answered).toHaveLength(2));
  socket.write(get("other"));
  const all = await answers;
  expect(handed).toEqual([get("other")]);
  const [, first, second] = all.split("HTTP/1.1 200 OK\r\n");
  expect(first).toMatch(
    /^content-length: 9\r\nx-request-id: id\r\nDate: \w{3}, .* GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=0.3\r\n\r\nsome text$/,
  );
  expect(second?.split("\r\n\r\n")[1]).toBe(`${BODY.toString()}from Node`);
});

test("a request in pieces is Node's as a whole", async () => {
  const socket = dial();
  socket.write(get("text").slice(0, 10));
  await expect(text(socket)).resolves.toBe("from Node");
  expect(handed).toEqual([get("text").slice(0, 10)]);
});

test("who does not read gets no further answers", async () => {
  const socket = dial();
  socket.pause();
  // More than the system takes for a client that reads nothing.
  const requests = 200;
  for (let sent = 1; sent <= requests && handed.length === 0; sent += 1) {
    socket.write(get("bytes"));
    await vi.waitFor(() => expect(answered.length + handed.length).toBe(sent), { interval: 1 });
  }
  expect(handed).toEqual([get("bytes")]);
  expect(answered.length).toBeLessThan(requests);
  const all = await text(socket);
  expect(all.split("HTTP/1.1 200 OK").length - 1).toBe(answered.length);
  expect(all.endsWith("xfrom Node")).toBe(true);
});

describe("a connection ends", () => {
  test("when it is idle for long", async () => {
    const socket = dial();
    await once(socket, "connect");
    await expect(text(socket)).resolves.toBe("");
  });

  test("when its client ends it", async () => {
    const socket = dial();
    socket.end();
    await expect(text(socket)).resolves.toBe("");
    expect(handed).toEqual([]);
  });

  test("when the server stops", async () => {
    const socket = dial();
    socket.write(get("text"));
    await vi.waitFor(() => expect(answered).toHaveLength(1));
    stopping.abort();
    await expect(text(socket)).resolves.toContain("some text");
    const late = dial();
    late.write(get("text"));
    await expect(text(late)).resolves.toBe("from Node");
  });
});

test("Node takes no more of a body than somebody reads", async () => {
  const node = createHttpServer(() => {});
  const ofNode = node.listeners("connection");
  const taken: Socket[] = [];
  const sockets = new LaneSockets({
    lanes: [lane],
    requestIds: { of: () => "id" },
    answered: () => {},
    handOver: (socket) => {
      taken.push(socket);
      for (const listener of ofNode) listener.call(node, socket);
    },
    stopping: stopping.signal,
    keepAliveMs: 300,
  });
  server.removeAllListeners("connection").on("connection", (socket) => sockets.accept(socket));
  const requested = once(node, "request");
  const length = 8 * 1024 * 1024;
  const client = dial();
  client.write(`PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`);
  client.write(Buffer.alloc(length));
  await requested;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(taken.map(({ bytesRead }) => bytesRead < length / 8)).toEqual([true]);
  client.destroy();
});

test("Node goes on with a connection as if it had just been opened", async () => {
  await using real = await openTestServer();
  const alice = await real.user("alice");
  await real.put("caches", alice, { name: "open", display_name: "Open", public: true });
  const { hostname, port } = new URL(real.url);
  const socket = connect(Number(port), hostname);
  let all = "";
  socket.setEncoding("latin1").on("data", (piece: string) => (all += piece));
  const statuses = () => [...all.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  const info = get("open/nix-cache-info");
  const health = "GET /api/v1/health HTTP/1.1\r\nHost: x\r\n";
  socket.write(info);
  await vi.waitFor(() => expect(statuses()).toEqual(["200"]));
  // The beginning of a request, then its end with a second one behind it.
  socket.write(health.slice(0, 9));
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.write(`${health.slice(9)}\r\n${info}`);
  await vi.waitFor(() => expect(statuses()).toHaveLength(3));
  socket.write(`${health}Connection: close\r\n\r\n`);
  await once(socket, "end");
  expect(statuses()).toEqual(["200", "200", "200", "200"]);
  const infos = all.split(/(?=HTTP\/1\.1)/).filter((answer) => answer.includes("StoreDir"));
  const [first, second] = infos.map((each) => each.replaceAll(/^(?:Date|x-request-id): .*$/gm, ""));
  expect(first).toBe(second);
});
