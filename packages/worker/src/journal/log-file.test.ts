import { join } from "node:path";
import { expect, test } from "vitest";
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

test("a log that cannot be written takes no more and says why", async () => {
  const log = new LogFile("/no/such/directory/log", 0);
  log.append("lost\n");
  log.flush();
  expect(log.failure).toBeInstanceOf(Error);
  expect(log.size).toBe(0);
  log.append("more\n");
  log.close();
});
