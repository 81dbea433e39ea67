import { randomBytes } from "node:crypto";
import { createServer, request } from "node:http";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { bodyPieces } from "./body-pieces.ts";

test("a body comes as it was sent", async () => {
  const body = randomBytes(3_000_000);
  const received: Buffer[] = [];
  const server = createServer((incoming, response) => {
    void (async () => {
      for await (const piece of bodyPieces(incoming)) received.push(Buffer.from(piece));
      response.end();
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  await new Promise((resolve, reject) => {
    request({ port: address.port, method: "PUT" }, resolve).on("error", reject).end(body);
  });
  await new Promise((resolve) => server.close(resolve));
  expect(Buffer.concat(received).equals(body)).toBe(true);
});

test("the memory of a piece is given back when the next one is asked for", async () => {
  const held: Buffer[] = [];
  for await (const piece of bodyPieces(
    Readable.from([Buffer.alloc(65_536), Buffer.alloc(65_536)]),
  )) {
    expect(piece.length).toBe(65_536);
    held.push(piece);
  }
  expect(held.map(({ length }) => length)).toEqual([0, 0]);
});

test("memory that others have a part of is theirs", async () => {
  const whole = Buffer.alloc(200_000, "x");
  const parts = [whole.subarray(0, 100_000), whole.subarray(100_000)];
  for await (const piece of bodyPieces(Readable.from(parts))) expect(piece.length).toBe(100_000);
  expect(whole.toString()).toBe("x".repeat(200_000));
});
