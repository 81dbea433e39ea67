import { PassThrough, Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DaemonProtocolError, NixError } from "../nix-error.ts";
import { ByteReader, StreamEndedError } from "./byte-reader.ts";
import { type FrameListener, cleanMessage, readFrames } from "./frames.ts";
import { Request } from "./request.ts";

const NEXT = 0x6f6c6d67;
const LAST = 0x616c7473;
const ERROR = 0x63787470;
const START_ACTIVITY = 0x53545254;
const STOP_ACTIVITY = 0x53544f50;
const RESULT = 0x52534c54;

function readerOf(bytes: Buffer, chunkBytes = bytes.length): ByteReader {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    chunks.push(bytes.subarray(at, at + chunkBytes));
  }
  return new ByteReader(Readable.from(chunks));
}

describe("numbers and strings", () => {
  test("come back as they were written, however they are cut", async () => {
    const property = fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme" })),
      fc.maxSafeNat(),
      fc.integer({ min: 1, max: 30 }),
      async (strings, number, chunkBytes) => {
        const bytes = new Request().strings(strings).number(number).boolean(true).bytes();
        expect(bytes.length % 8).toBe(0);
        const reader = readerOf(bytes, chunkBytes);
        expect(await reader.strings()).toEqual(strings);
        expect(await reader.number()).toBe(number);
        expect(await reader.bigint()).toBe(1n);
      },
    );
    await fc.assert(property, { numRuns: 100 });
  });

  test("bytes that are no UTF-8 are replaced", async () => {
    const bytes = new Request().string("ab").bytes();
    bytes[9] = 0xff;
    expect(await readerOf(bytes).string()).toBe("a\uFFFD");
  });

  test("a reader waits for what has not come yet", async () => {
    const stream = new PassThrough();
    const reader = new ByteReader(stream);
    const number = reader.number();
    stream.write(Buffer.from([7, 0, 0, 0]));
    stream.write(Buffer.alloc(4));
    expect(await number).toBe(7);
  });

  test("an end in the middle is told", async () => {
    await expect(readerOf(Buffer.alloc(5)).number()).rejects.toThrow(StreamEndedError);
  });

  test("lengths that no daemon sends are refused before anything is read", async () => {
    const long = new Request().number(2 ** 40).bytes();
    await expect(readerOf(long).string()).rejects.toThrow(DaemonProtocolError);
    await expect(readerOf(long).strings()).rejects.toThrow(DaemonProtocolError);
    const huge = new Request().number(2n ** 60n).bytes();
    await expect(readerOf(huge).number()).rejects.toThrow(DaemonProtocolError);
  });
});

describe("frames", () => {
  test("are read to their end also when nobody listens to them", async () => {
    const bytes = new Request()
      .number(NEXT)
      .string("warning: SQLite database is busy")
      .number(STOP_ACTIVITY)
      .number(7)
      .number(RESULT)
      .number(7)
      .number(101)
      .number(1)
      .number(1)
      .string("a line")
      .number(LAST)
      .number(42)
      .bytes();
    const reader = readerOf(bytes);
    await readFrames(reader, {}, 34);
    expect(await reader.number()).toBe(42);
  });

  test("are told in order, until the last", async () => {
    const bytes = new Request()
      .number(NEXT)
      .string("hello")
      .number(START_ACTIVITY)
      .number(2n ** 60n) // id
      .number(3)
      .number(105)
      .string("building")
      .number(2)
      .number(1)
      .string("/nix/store/x.drv")
      .number(0)
      .number(7)
      .number(0) // parent
      .number(RESULT)
      .number(2n ** 60n)
      .number(101)
      .number(1)
      .number(1)
      .string("a line")
      .number(STOP_ACTIVITY)
      .number(2n ** 60n)
      .number(LAST)
      .bytes();
    const heard: unknown[] = [];
    const listener: FrameListener = {
      onMessage: (text) => heard.push(text),
      onStart: (activity) => heard.push(activity),
      onStop: (id) => heard.push(id),
      onResult: (result) => heard.push(result),
    };
    await readFrames(readerOf(bytes, 3), listener, 34);
    const id = 2n ** 60n;
    expect(heard).toEqual([
      "hello",
      { id, type: 105, text: "building", fields: ["/nix/store/x.drv", 7n] },
      { id, type: 101, fields: ["a line"] },
      id,
    ]);
  });

  test("an error is Nix's own words", async () => {
    const bytes = new Request()
      .number(ERROR)
      .string("Error")
      .number(0)
      .string("Error")
      .string("\u001b[31;1merror:\u001b[0m path '\u001b[35;1m/nix/store/x\u001b[0m' is not valid\n")
      .number(0)
      .number(1)
      .number(0)
      .string("while doing something")
      .number(LAST)
      .bytes();
    const reader = readerOf(bytes);
    await expect(readFrames(reader, {}, 34)).rejects.toThrow(
      new NixError("path '/nix/store/x' is not valid"),
    );
    // The connection goes on behind it.
    await readFrames(reader, {}, 34);
  });

  test("an error of earlier minor versions is a text", async () => {
    const bytes = new Request()
      .number(ERROR)
      .string("\u001b[31;1merror:\u001b[0m the disk is full")
      .number(1)
      .number(LAST)
      .bytes();
    const reader = readerOf(bytes);
    await expect(readFrames(reader, {}, 24)).rejects.toThrow(new NixError("the disk is full"));
    await readFrames(reader, {}, 24);
  });

  test.each([
    ["writing to file: No space left on device", true],
    ["setting up a statement: database or disk is full", true],
    ["path '/nix/store/x' is not valid", false],
  ])("%s: is it worth another try? %s", async (message, isTransient) => {
    const bytes = new Request().number(ERROR).string(message).number(1).bytes();
    await expect(readFrames(readerOf(bytes), {}, 24)).rejects.toMatchObject({ isTransient });
  });

  test("a frame that is not known ends the connection", async () => {
    const bytes = new Request().number(0x1234).bytes();
    await expect(readFrames(readerOf(bytes), {}, 34)).rejects.toThrow(DaemonProtocolError);
  });
});

test("messages lose colour, prefix and space, and keep their lines", () => {
  expect(cleanMessage("\u001b[31merror:\u001b[0m  first\nerror: second \n")).toBe(
    "first\nerror: second",
  );
});
