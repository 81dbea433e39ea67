import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { assignmentIdSchema, encode, fencingSchema, type ToCoordinator } from "@gradient/protocol";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createLogger } from "../logger.ts";
import { Link } from "./link.ts";

let server: Server;
let worker: WebSocket;
let link: Link;

beforeEach(async () => {
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets = new WebSocketServer({ server });
  const { port } = server.address() as AddressInfo;
  worker = new WebSocket(`ws://127.0.0.1:${port}`);
  const [[socket]] = (await Promise.all([once(sockets, "connection"), once(worker, "open")])) as [
    [WebSocket],
    unknown,
  ];
  link = new Link(socket, createLogger("silent"));
});

afterEach(async () => {
  worker.terminate();
  server.close();
  await once(server, "close");
});

/** Sends all of it and waits until the link has it. */
async function send(...messages: readonly ToCoordinator[]): Promise<void> {
  for (const message of messages) worker.send(encode(message));
  const isAnswered = once(worker, "pong");
  worker.ping();
  await isAnswered;
}

async function take(count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const message = await link.next();
    if (message === null) throw new Error("the link is closed");
    taken.push("fencing" in message ? `${message.type} ${message.fencing}` : message.type);
  }
  return taken;
}

function about(fencing: number) {
  return {
    assignment: assignmentIdSchema.parse("019a22fa-3f77-7fc8-8a61-793874876ad9"),
    fencing: fencingSchema.parse(fencing),
  };
}

function result(fencing: number): ToCoordinator {
  return {
    type: "result",
    ...about(fencing),
    result: { kind: "sign", failure: null, signatures: [] },
  };
}

function accept(fencing: number): ToCoordinator {
  return { type: "accept", ...about(fencing) };
}

function progress(fencing: number): ToCoordinator {
  return { type: "progress", ...about(fencing), phase: "signing", at: 1 };
}

test("what decides about the next builds goes ahead of results, each kind in its order", async () => {
  await send(result(1), result(2), accept(3), progress(3));
  expect(await take(4)).toEqual(["accept 3", "progress 3", "result 1", "result 2"]);
});

test("what comes while results are handled goes ahead of the rest of them", async () => {
  await send(result(1), result(2));
  expect(await take(1)).toEqual(["result 1"]);
  await send(progress(3));
  expect(await take(2)).toEqual(["progress 3", "result 2"]);
});

test("no result waits for ever", async () => {
  const others = Array.from({ length: 20 }, (_, n) => accept(n + 2));
  await send(result(1), ...others);
  const taken = await take(21);
  expect(taken.indexOf("result 1")).toBe(8);
  expect(taken.filter((each) => each.startsWith("accept"))).toHaveLength(20);
});

test("results that wait count against what a worker may send ahead", async () => {
  for (let n = 1; n <= 80; n += 1) worker.send(encode(result(n)));
  await vi.waitUntil(() => link.isPaused);
  expect(await take(80)).toHaveLength(80);
  expect(link.isPaused).toBe(false);
});

test("nothing that comes together is left lying until something else comes", async () => {
  for (let round = 0; round < 20; round += 1) {
    const taken = take(3);
    await new Promise(setImmediate);
    await Promise.all([send(accept(1), accept(2)), send(result(3))]);
    expect(await taken).toEqual(["accept 1", "accept 2", "result 3"]);
  }
});

test("a session that failed for want of room says so", async () => {
  link.fail(Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" }));
  const [code, reason] = (await once(worker, "close")) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([1011, "the coordinator's disk is full"]);
});
