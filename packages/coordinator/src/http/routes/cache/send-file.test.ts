import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { createServer, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { PromptReads } from "../../../storage/prompt-reads.ts";
import { sendFile } from "./send-file.ts";

const bytes = randomFillSync(Buffer.alloc(32 * 1024 * 1024));

/** Sends the bytes to a client that does not read them yet. */
async function answer(
  readPartNow: (fd: number, buffer: Buffer, position: number) => number | null,
) {
  const directory = await mkdtemp(join(tmpdir(), "send-file-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, "file");
  await writeFile(path, bytes);
  const server = createServer(async (_, response) => {
    await using file = await open(path);
    const nars = {
      readPartNow: (it: typeof file, ...rest: [Buffer, number]) => readPartNow(it.fd, ...rest),
    };
    await sendFile(response, nars, file, { start: 0, end: bytes.length });
  });
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
