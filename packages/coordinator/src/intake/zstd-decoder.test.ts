import { compress } from "zstd-napi";
import { expect, test } from "vitest";
import { ZstdDecoder } from "./zstd-decoder.ts";

const PIECE_BYTES = 128 * 1024;

function decodeAll(input: Buffer): Buffer {
  const decoder = new ZstdDecoder();
  const pieces: Buffer[] = [];
  for (const piece of decoder.decode(input)) pieces.push(Buffer.from(piece));
  decoder.end();
  return Buffer.concat(pieces);
}

test.each([0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])(
  "two frames of %i bytes each come back whole",
  (bytes) => {
    const text = Buffer.alloc(bytes, "abcdefg");
    const frame = compress(text);
    expect(decodeAll(Buffer.concat([frame, frame])).equals(Buffer.concat([text, text]))).toBe(true);
  },
);

test.each([PIECE_BYTES, PIECE_BYTES + 1])("a cut frame of %i bytes is told", (bytes) => {
  const frame = compress(Buffer.alloc(bytes, "abcdefg"));
  expect(() => decodeAll(frame.subarray(0, frame.length - 1))).toThrow(/ends too early/);
});
