import { expect, test } from "vitest";
import { createPieceRing, PieceRingWriter, readPieces } from "./piece-ring.ts";

function read(ring: ReturnType<typeof createPieceRing>) {
  const pieces: string[] = [];
  const isComplete = readPieces(ring, (piece) => pieces.push(Buffer.from(piece).toString()));
  return { pieces, isComplete };
}

function write(writer: PieceRingWriter, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    const room = writer.room();
    const part = rest.subarray(0, room.length);
    room.set(part);
    writer.wrote(part.length);
    rest = rest.subarray(part.length);
  }
}

test("pieces are full, all but the last one", () => {
  const ring = createPieceRing(4, 4);
  const writer = new PieceRingWriter(ring);
  write(writer, "ab");
  write(writer, "cdefghij");
  writer.complete();
  expect(read(ring)).toEqual({ pieces: ["abcd", "efgh", "ij"], isComplete: true });
});

test("what came before it broke off is read", () => {
  const ring = createPieceRing(4, 4);
  const writer = new PieceRingWriter(ring);
  write(writer, "abcde");
  writer.breakOff();
  expect(read(ring)).toEqual({ pieces: ["abcd", "e"], isComplete: false });
});

test("there may be nothing", () => {
  const ring = createPieceRing(4, 4);
  new PieceRingWriter(ring).complete();
  expect(read(ring)).toEqual({ pieces: [], isComplete: true });
});
