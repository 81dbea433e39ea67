import { once } from "node:events";
import { type Server, type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Request } from "../daemon/request.ts";
import { SteppedSocket } from "./stepped-socket.ts";

let directory: string;
let server: Server;
let client: Socket;
let served: Socket;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "gradient-steps-"));
  server = createServer();
  server.listen(path.join(directory, "socket"));
  await once(server, "listening");
  client = connect(path.join(directory, "socket"));
  [served] = await once(server, "connection");
});

afterEach(async () => {
  client.destroy();
  served.destroy();
  server.close();
  await rm(directory, { recursive: true });
});

const refusal = (error: unknown): Request => new Request().string(String(error));

async function answers(sizeBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  while (Buffer.concat(chunks).length < sizeBytes) chunks.push((await once(client, "data"))[0]);
  return Buffer.concat(chunks);
}

test("what comes in pieces is read when it is whole, and what comes together one after the other", async () => {
  const read: string[] = [];
  const socket = new SteppedSocket(
    served,
    () => {
      const reader = socket.reader();
      const text = reader.string();
      if (reader.isShort) return socket.waitFor(reader);
      socket.take(reader.at);
      read.push(text);
      socket.write(new Request().number(read.length));
      return "done";
    },
    refusal,
  );
  void socket.read();
  const first = new Request().string("in two pieces").bytes();
  client.write(first.subarray(0, 11));
  await once(served, "data");
  expect(read).toEqual([]);
  client.write(Buffer.concat([first.subarray(11), new Request().string("behind it").bytes()]));
  expect(await answers(16)).toEqual(new Request().number(1).number(2).bytes());
  expect(read).toEqual(["in two pieces", "behind it"]);
});

test("nothing is read while a step is not done", async () => {
  let finish = (): void => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const read: number[] = [];
  const socket = new SteppedSocket(
    served,
    () => {
      const reader = socket.reader();
      const value = reader.number();
      if (reader.isShort) return "more";
      read.push(value);
      socket.take(reader.at);
      return done;
    },
    refusal,
  );
  void socket.read();
  client.write(new Request().number(7).number(8).bytes());
  await once(served, "data");
  client.write(new Request().number(9).bytes());
  expect(read).toEqual([7]);
  finish();
  await expect.poll(() => read).toEqual([7, 8, 9]);
});

test("a client is told why it is sent away, though it goes on sending", async () => {
  const socket = new SteppedSocket(served, () => Promise.reject(new Error("unheard of")), refusal);
  const gone = socket.read();
  client.write(Buffer.alloc(1024 * 1024));
  const told = new Request().string("Error: unheard of").bytes();
  expect(await answers(told.length)).toEqual(told);
  client.end(Buffer.alloc(1024 * 1024));
  await gone;
  expect(socket.isGone).toBe(true);
});
