import { describe, expect, test } from "vitest";
import { LinePrefix, piecesOf } from "./log-text.ts";
import { TextChannel } from "./text-channel.ts";

describe("pieces of a log", () => {
  test("join to the text and are short enough for a client's line", () => {
    const text = `${"\u001b".repeat(300_000)}\n${"line\n".repeat(100_000)}`;
    const pieces = [...piecesOf(text)];
    expect(pieces.join("")).toBe(text);
    for (const piece of pieces) {
      expect(Buffer.byteLength(JSON.stringify(piece))).toBeLessThan(1_024_000);
    }
  });

  test("end with a line where there is one, and never inside a character", () => {
    const lines = [...piecesOf("word\n".repeat(60_000))];
    expect(lines.every((piece) => piece.endsWith("\n"))).toBe(true);
    const emoji = [...piecesOf(`x${"😀".repeat(100_000)}`)];
    expect(emoji.length).toBeGreaterThan(1);
    expect(emoji.every((piece) => Buffer.from(piece).toString() === piece)).toBe(true);
  });
});

describe("a name before every line", () => {
  test("whatever the pieces are", () => {
    const prefix = new LinePrefix("hello");
    const out = ["on", "e\ntwo\n\nth", "ree"].map((text) => prefix.push(text)).join("");
    expect(out + prefix.flush()).toBe("hello> one\nhello> two\nhello> \nhello> three\n");
  });

  test("also when a line does not end", () => {
    const prefix = new LinePrefix("x");
    expect(prefix.push("y".repeat(100_000))).toBe(`x> ${"y".repeat(100_000)}\n`);
    expect(prefix.flush()).toBe("");
  });
});

describe("a channel", () => {
  test("makes a producer wait that is ahead of the consumer", async () => {
    const channel = new TextChannel(10, new AbortController().signal);
    const sent: string[] = [];
    const producing = (async () => {
      for (const text of ["12345", "67890", "abc", "def"]) {
        await channel.send(text);
        sent.push(text);
      }
      channel.end();
    })();
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    expect(sent).toEqual(["12345", "67890"]);
    const received: string[] = [];
    for await (const text of channel) received.push(text);
    await producing;
    expect(received.join("")).toBe("1234567890abcdef");
  });

  test("lets everybody go when its signal aborts", async () => {
    const stop = new AbortController();
    const channel = new TextChannel(1, stop.signal);
    const producing = channel.send("too much");
    stop.abort();
    await producing;
    for await (const text of channel) expect.unreachable(text);
  });
});
