import { compress } from "zstd-napi";
import { expect, test } from "vitest";
import { ZstdDecoder } from "./zstd-decoder.ts";

const TEXT = "all that comes out ".repeat(20_000);
const packed = compress(Buffer.from(TEXT));

function decoded(decoder: ZstdDecoder, packed: Uint8Array): string {
  const pieces: Buffer[] = [];
  for (const piece of decoder.decode(packed)) pieces.push(Buffer.from(piece));
  decoder.end();
  return Buffer.concat(pieces).toString("utf8");
}

test("who borrows one after another gets the same decoder, and at the same time another one", () => {
  let first: ZstdDecoder;
  {
    using decoder = ZstdDecoder.borrow();
    expect(decoded(decoder, packed) === TEXT).toBe(true);
    first = decoder;
  }
  using decoder = ZstdDecoder.borrow();
  using other = ZstdDecoder.borrow();
  expect(decoder).toBe(first);
  expect(other).not.toBe(decoder);
  expect(decoded(other, packed) === TEXT).toBe(true);
  expect(decoded(decoder, packed) === TEXT).toBe(true);
});

test.each([
  ["was given up within a frame", packed.subarray(0, packed.length / 2)],
  ["met damaged data", Buffer.concat([packed.subarray(0, 20), Buffer.alloc(100, 7)])],
  ["met what is not zstd", Buffer.from("no zstd at all")],
])("nobody gets one that %s", (_, input) => {
  {
    using decoder = ZstdDecoder.borrow();
    expect(() => decoded(decoder, input)).toThrow(/zstd/);
  }
  for (let n = 0; n < 10; n += 1) {
    using decoder = ZstdDecoder.borrow();
    expect(decoded(decoder, packed) === TEXT).toBe(true);
  }
});
