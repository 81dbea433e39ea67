import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { decompress } from "../intake/compression.ts";
import { storedBzip2 } from "./stored-bzip2.ts";

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
}

test.each([
  ["nothing", Buffer.alloc(0)],
  ["one byte", Buffer.from("a")],
  [
    "runs of all lengths",
    Buffer.from([1, 3, 4, 5, 258, 259, 260, 600].map((n) => `${"x".repeat(n)}y`).join("")),
  ],
  ["one long run", Buffer.alloc(30_000)],
  ["what repeats", Buffer.alloc(30_000, "abcdefg")],
  ["what does not", randomBytes(30_000)],
  ["all bytes in order", Buffer.from(Array.from({ length: 8000 }, (_, n) => n & 255))],
])("%s is what bzip2 makes of it again", async (_, bytes) => {
  const packed = await buffer(storedBzip2(inPieces(bytes)));
  const pieces: Buffer[] = [];
  for await (const piece of decompress("bzip2", inPieces(packed))) pieces.push(Buffer.from(piece));
  expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
});

test("zeros have the bytes that bzip2 has", async () => {
  // No block: the magic, the end's magic, and the check of nothing.
  expect((await buffer(storedBzip2(inPieces(Buffer.alloc(0))))).toString("hex")).toBe(
    "425a683117724538509000000000",
  );
});
