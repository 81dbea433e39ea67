import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { SmallDisk } from "../testing/small-disk.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { LogFile } from "./log-file.ts";

async function logFile(): Promise<LogFile> {
  return new LogFile(join(await temporaryDirectory(), "log"), 0);
}

test("pieces put together are the log, wherever they are cut", async () => {
  const log = await logFile();
  const text = "plain, é, €, 𝄞 and \u0000 zero\n".repeat(20);
  log.append(text);
  log.flush();
  expect(log.size).toBe(Buffer.byteLength(text));
  for (const pieceBytes of [4, 5, 7, 64]) {
    let joined = "";
    for (let offset = 0; offset < log.size;) {
      const piece = await log.read(offset, pieceBytes);
      expect(piece.bytes).toBeGreaterThan(0);
      offset += piece.bytes;
      joined += piece.text;
    }
    expect(joined).toBe(text);
  }
});

test("text of one turn is there in the next, and is told of", async () => {
  const log = await logFile();
  const grown = new Promise<void>((resolve) => log.onGrow(resolve));
  log.append("one\n");
  log.append("two\n");
  expect(log.size).toBe(0);
  await grown;
  expect(log.size).toBe(8);
});

test("half a character of text becomes a replacement character, so that offsets stay right", async () => {
  const log = await logFile();
  log.append("\ud834");
  log.flush();
  expect(log.size).toBe(3);
  expect((await log.read(0, 10)).text).toBe("\ufffd");
});

test("a log that cannot be written at all says why, and how much is missing", async () => {
  const log = new LogFile("/no/such/directory/log", 0);
  log.append("lost\n");
  log.flush();
  expect(log.failure).toBeInstanceOf(Error);
  expect(log.size).toBe(0);
  log.append("more\n");
  log.close();
  expect(log.lostBytes).toBe(10);
  log.keepLastWords();
  const { text, bytes } = await log.read(0, 1000);
  expect(text).toMatch(/^\[10 bytes of the log could not be written: ENOENT.*\]\n$/);
  expect(log.size).toBe(bytes);
});

describe.runIf(process.getuid?.() === 0)("on a disk that is full", () => {
  const NOTE = /\n\[(\d+) bytes of the log could not be written: ENOSPC.*\]\n/;

  /** A log, and what fills the rest of its disk. */
  async function start() {
    const disk = await SmallDisk.mount(await temporaryDirectory(), 1);
    onTestFinished(() => disk[Symbol.asyncDispose]());
    const filling = join(disk.directory, "filling");
    const log = new LogFile(join(disk.directory, "log"), 0);
    log.append("one, ");
    log.flush();
    return {
      log,
      fill: () => writeFile(filling, Buffer.alloc(2 ** 21)).catch(() => {}),
      empty: () => rm(filling),
      text: () => readFile(join(disk.directory, "log"), "utf8"),
    };
  }

  /** More than is left of the file's last block. */
  const LINE = `${"é".repeat(5000)}\n`;

  test("what is missing is said where it is missing, as soon as there is room", async () => {
    const { log, fill, empty, text } = await start();
    await fill();
    for (let index = 0; index < 2; index += 1) {
      log.append(LINE);
      log.flush();
    }
    await empty();
    log.append("two\n");
    log.close();
    const match = NOTE.exec(await text());
    expect(Number(match?.[1])).toBe(2 * Buffer.byteLength(LINE));
    expect((await text()).replace(NOTE, "|")).toBe("one, |two\n");
    expect(log.size).toBe(Buffer.byteLength(await text()));
    expect(log.lostBytes).toBe(0);
  });

  test("nothing of what is not whole is kept, and the end says what is missing", async () => {
    const { log, fill, text } = await start();
    await fill();
    log.append(LINE);
    log.close();
    expect((await text()).replace(NOTE, "|")).toBe("one, |");
    expect(log.lostBytes).toBe(0);
  });

  test("whoever sends it says what another process could not write", async () => {
    const { log, fill, text } = await start();
    await fill();
    log.lose(7, "ENOSPC, it said");
    log.close();
    log.keepLastWords();
    expect((await log.read(0, 1000)).text + (await log.read(5, 1000)).text).toMatch(NOTE);
    expect(await text()).toMatch(/^one, /);
  });
});

describe("a log that is too long", () => {
  const limits = { headBytes: 1000, tailBytes: 300 };

  async function write(path: string, lines: readonly string[]): Promise<LogFile> {
    const log = new LogFile(path, 0, limits);
    for (const line of lines) {
      log.append(line);
      log.flush();
    }
    return log;
  }

  const numbered = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => `line ${index} é\n`);

  /** Head, number of bytes left out, tail. */
  function split(text: string): { head: string; leftOut: number; tail: string } {
    const match = /\[(\d+) bytes of the log were left out here: it was too long\]\n/.exec(text);
    if (match === null) return { head: text, leftOut: 0, tail: "" };
    const tail = text.slice(match.index + match[0].length);
    return { head: text.slice(0, match.index), leftOut: Number(match[1]), tail };
  }

  test("keeps its first and its last lines, and says between them how many bytes are missing", async () => {
    const directory = await temporaryDirectory();
    const lines = numbered(1000);
    const log = await write(join(directory, "log"), lines);
    expect(log.size).toBeLessThanOrEqual(limits.headBytes);
    const before = (await log.read(0, 2000)).text;
    log.close();
    const text = await readFile(join(directory, "log"), "utf8");
    expect(log.size).toBe(Buffer.byteLength(text));
    // What was there, and may have been sent, is as it was.
    expect(text.startsWith(before)).toBe(true);
    const { head, leftOut, tail } = split(text);
    expect(lines.join("").startsWith(head)).toBe(true);
    expect(lines.join("").endsWith(tail)).toBe(true);
    expect(Buffer.byteLength(head + tail) + leftOut).toBe(Buffer.byteLength(lines.join("")));
    expect(tail.endsWith("line 999 é\n")).toBe(true);
    expect(Buffer.byteLength(tail)).toBeGreaterThan(limits.tailBytes / 2);
    expect(await readdir(directory)).toEqual(["log"]);
  });

  test("but no longer than both together is whole", async () => {
    const path = join(await temporaryDirectory(), "log");
    const lines = numbered(100);
    expect(Buffer.byteLength(lines.join(""))).toBeGreaterThan(limits.headBytes);
    (await write(path, lines)).close();
    expect(await readFile(path, "utf8")).toBe(lines.join(""));
  });

  test("of one endless line is cut between characters", async () => {
    const path = join(await temporaryDirectory(), "log");
    const log = await write(path, Array<string>(500).fill("€𝄞é"));
    log.close();
    const { head, leftOut, tail } = split(await readFile(path, "utf8"));
    expect(`${head}${tail}`).not.toContain("\ufffd");
    // The line in the middle has a line of its own.
    expect(Buffer.byteLength(head.trimEnd() + tail) + leftOut).toBe(500 * 9);
  });

  test("takes no more room on disk than its limits while it grows", async () => {
    const directory = await temporaryDirectory();
    await write(join(directory, "log"), numbered(5000));
    const files = await readdir(directory);
    const bytes = await Promise.all(files.map((name) => readFile(join(directory, name))));
    const total = bytes.reduce((sum, { length }) => sum + length, 0);
    expect(total).toBeLessThanOrEqual(limits.headBytes + 2 * limits.tailBytes);
  });

  test("whose process was killed is completed by the next one, also when that is killed in between", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "log");
    const log = await write(path, numbered(1000));
    const segments = (await readdir(directory)).filter((name) => name !== "log");
    const kept = await Promise.all(segments.map((name) => readFile(join(directory, name))));
    const again = new LogFile(path, log.size, limits);
    again.close();
    const whole = await readFile(path);
    expect(split(whole.toString()).leftOut).toBeGreaterThan(0);
    // As if it had come half way.
    await truncate(path, whole.length - 100);
    for (const [index, name] of segments.entries())
      await writeFile(join(directory, name), kept[index] ?? "");
    const third = new LogFile(path, whole.length - 100, limits);
    third.close();
    expect(await readFile(path)).toEqual(whole);
    expect(third.size).toBe(whole.length);
  });

  test("that another process goes on with is not completed by one that leaves", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "log");
    const writer = await write(path, numbered(500));
    const reader = new LogFile(path, writer.size, limits);
    reader.leave();
    reader.close();
    const lines = numbered(1000);
    for (const line of lines.slice(500)) {
      writer.append(line);
      writer.flush();
    }
    writer.close();
    const { head, leftOut, tail } = split(await readFile(path, "utf8"));
    expect(Buffer.byteLength(head + tail) + leftOut).toBe(Buffer.byteLength(lines.join("")));
    expect(await readdir(directory)).toEqual(["log"]);
  });

  test("whatever is written in whatever pieces, nothing is lost without being counted", async () => {
    const directory = await temporaryDirectory();
    let run = 0;
    const pieces = fc.array(
      fc.string({ unit: fc.constantFrom("a", "é", "€", "𝄞", "\n"), maxLength: 400 }),
    );
    await fc.assert(
      fc.asyncProperty(pieces, async (texts) => {
        const path = join(directory, `log${(run += 1)}`);
        const log = await write(path, texts);
        log.close();
        const all = texts.join("");
        const file = all === "" ? "" : await readFile(path, "utf8");
        const { head, leftOut, tail } = split(file);
        const isCut = leftOut > 0 && !all.startsWith(head);
        const start = isCut ? head.slice(0, -1) : head;
        expect(all.startsWith(start)).toBe(true);
        expect(all.endsWith(tail)).toBe(true);
        expect(Buffer.byteLength(start + tail) + leftOut).toBe(Buffer.byteLength(all));
        expect(log.size).toBe(Buffer.byteLength(file));
      }),
      { numRuns: 60 },
    );
  });
});
