import { randomBytes } from "node:crypto";
import { createServer, request } from "node:http";
import { Readable } from "node:stream";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { compress } from "zstd-napi";
import { decompress } from "./compression.ts";
import { storedBzip2 } from "../nar-contents/stored-bzip2.ts";
import { storedXz } from "../nar-contents/stored-xz.ts";
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

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const kept: Buffer[] = [];
  for await (const piece of pieces) kept.push(Buffer.from(piece));
  return Buffer.concat(kept);
}

const plain = randomBytes(250_000);

test.each([
  ["none", () => plain],
  ["zstd", () => compress(plain)],
  ["gzip", () => gzipSync(plain)],
  ["br", () => brotliCompressSync(plain)],
  ["xz", () => joined(storedXz(Readable.from([plain])))],
  ["bzip2", () => joined(storedBzip2(Readable.from([plain])))],
] as const)(
  "what is compressed as %s is unpacked from pieces that are gone then",
  async (form, pack) => {
    const packed = await pack();
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < packed.length; at += 65_536) {
      pieces.push(Buffer.from(Uint8Array.from(packed.subarray(at, at + 65_536)).buffer));
    }
    const unpacked = await joined(decompress(form, bodyPieces(Readable.from(pieces))));
    expect(unpacked.equals(plain)).toBe(true);
  },
);
