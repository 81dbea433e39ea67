import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLogger } from "../logger.ts";
import { LogFiles } from "./log-files.ts";

let dataDir: string;
let logs: LogFiles;
const ended = new Map<number, number>();

async function openLogs(maxBytes?: number): Promise<LogFiles> {
  const attempts = {
    isEnded: (n: number) => ended.has(n),
    logBytes: (n: number) => ended.get(n) ?? 0,
    recordSize: (n: number, bytes: number) => Promise.resolve(void ended.set(n, bytes)),
  };
  const limit = maxBytes === undefined ? {} : { maxBytes };
  return LogFiles.open({ dataDir, attempts, logger: createLogger("silent"), ...limit });
}

function end(attempt: number): void {
  ended.set(attempt, 0);
  logs.finish(attempt);
}

async function collect(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

beforeEach(async () => {
  ended.clear();
  dataDir = await mkdtemp(join(tmpdir(), "farm-logs-"));
  logs = await openLogs();
});

afterEach(async () => {
  await logs[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true });
});

test("a piece that comes again, or overlaps, is stored once; a gap is answered with the stored size", async () => {
  expect(await logs.append(1, 0, "héllo ")).toBe(7);
  expect(await logs.append(1, 0, "héllo ")).toBe(7);
  expect(await logs.append(1, 9, "gap")).toBe(7);
  expect(await logs.append(1, 3, "llo world")).toBe(12);
  expect(await collect(logs.text(1))).toBe("héllo world");
});

test("whatever is sent again and in whatever pieces, the log is the text", async () => {
  let attempt = 0;
  const pieces = fc.array(fc.tuple(fc.nat(200), fc.nat(60)), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 200 }),
      pieces,
      async (text, sent) => {
        attempt += 1;
        for (const [from, length] of sent)
          await logs.append(attempt, from, text.slice(from, from + length));
        await logs.append(attempt, await logs.size(attempt), text.slice(await logs.size(attempt)));
        expect(await collect(logs.text(attempt))).toBe(text);
      },
    ),
    { numRuns: 30 },
  );
});

test("a log that is too long is stored up to the limit, and the rest is taken as if it were", async () => {
  await logs[Symbol.asyncDispose]();
  logs = await openLogs(10);
  expect(await logs.append(1, 0, "123456")).toBe(6);
  expect(await logs.append(1, 6, "789012")).toBe(12);
  expect(await logs.append(1, 12, "345")).toBe(15);
  expect(await collect(logs.text(1))).toBe("1234567890");
  expect(await logs.append(2, 0, "another")).toBe(7);
});

test("a follower gets what was there, what is appended, and ends with the attempt", async () => {
  await logs.append(1, 0, "one ");
  const follower = logs.follow(1, 0, AbortSignal.timeout(5000))[Symbol.asyncIterator]();
  expect((await follower.next()).value).toBe("one ");
  const next = follower.next();
  await logs.append(1, 4, "two");
  expect((await next).value).toBe("two");
  const last = follower.next();
  end(1);
  expect(await last).toEqual({ done: true, value: undefined });
});

test("a follower of an attempt that has not begun waits for it, and stops when it is told to", async () => {
  const stop = new AbortController();
  const next = logs.follow(7, 0, stop.signal)[Symbol.asyncIterator]().next();
  stop.abort(new Error("gone"));
  await expect(next).rejects.toThrow("gone");
});

test.each([10, 50_000])(
  "a finished log of %i lines is compressed and reads the same, from any offset",
  async (lines) => {
    const text = "line\n".repeat(lines);
    const half = 2.5 * lines;
    await logs.append(1, 0, text);
    end(1);
    await logs[Symbol.asyncDispose]();
    expect(await readdir(join(dataDir, "log"))).toEqual(["1.log.zst"]);
    expect(await collect(logs.text(1))).toBe(text);
    expect(await logs.size(1)).toBe(text.length);
    for (const offset of [half, text.length]) {
      expect(await collect(logs.follow(1, offset, AbortSignal.timeout(5000)))).toBe(
        text.slice(offset),
      );
    }
  },
);

test("a compressed log that is damaged is said to be", async () => {
  await writeFile(join(dataDir, "log", "1.log.zst"), "something else");
  ended.set(1, 100);
  await expect(collect(logs.text(1))).rejects.toThrow("damaged");
});

test("after a restart a log goes on where it was, and one whose attempt ended is compressed", async () => {
  await logs.append(1, 0, "running");
  await logs.append(2, 0, "ended");
  await logs[Symbol.asyncDispose]();
  ended.set(2, 0);
  logs = await openLogs();
  expect(await logs.append(1, 7, " on")).toBe(10);
  await logs[Symbol.asyncDispose]();
  expect((await readdir(join(dataDir, "log"))).toSorted()).toEqual(["1.log", "2.log.zst"]);
  expect(await collect(logs.text(1))).toBe("running on");
});

test("an attempt without a log has an empty one", async () => {
  expect(await collect(logs.text(9))).toBe("");
  expect(await logs.size(9)).toBe(0);
  ended.set(9, 0);
  expect(await collect(logs.follow(9, 0, AbortSignal.timeout(5000)))).toBe("");
});
