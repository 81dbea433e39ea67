import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile, type FileHandle } from "node:fs/promises";
import { createServer, get, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { PromptReads } from "../../../storage/prompt-reads.ts";
import { sendFile } from "./send-file.ts";

const bytes = randomFillSync(Buffer.alloc(32 * 1024 * 1024));

type Read = (fd: number, buffer: Buffer, position: number) => number | null;

async function send(response: ServerResponse, path: string, read: Read): Promise<void> {
  await using file = await open(path);
  const nars = {
    readPartNow: ({ fd }: FileHandle, part: Buffer, position: number) => read(fd, part, position),
  };
  await sendFile(response, nars, file, { start: 0, end: bytes.length });
}

/** Sends the bytes to a client that does not read them yet. */
async function answer(read: Read) {
  const directory = await mkdtemp(join(tmpdir(), "send-file-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, "file");
  await writeFile(path, bytes);
  const server = createServer((_, response) => void send(response, path, read));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it does not listen");
  const request = get({ host: "127.0.0.1", port: address.port, agent: false });
  const [response] = await once(request, "response");
  return response;
}

test("of a file no more is in memory than its client reads", async () => {
  const reads = new PromptReads();
  let read = 0;
  const response = await answer((fd, part, position) => {
    const count = reads.readPart(fd, part, position);
    read += count ?? 0;
    return count;
  });
  await pause(200);
  expect(read).toBeLessThan(bytes.length / 2);
  expect((await buffer(response)).equals(bytes)).toBe(true);
});

test("what cannot be had at once is waited for", async () => {
  const response = await answer(() => null);
  expect((await buffer(response)).equals(bytes)).toBe(true);
});
