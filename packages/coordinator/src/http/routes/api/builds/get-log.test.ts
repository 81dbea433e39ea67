import { mkdtemp, rm } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLogger } from "../../../../logger.ts";
import { LogFiles } from "../../../../logs/log-files.ts";
import type { Logs } from "../../../../ports.ts";
import { seedEvaluation, type Seed } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const PIECE = "0123456789abcdef\n".repeat(4000);

/** What the next request reads. */
let texts: Logs["text"];
let server: TestServer;
let alice: string;
let seed: Seed;

beforeAll(async () => {
  server = await openTestServer({
    logs: {
      text: (attempt) => texts(attempt),
      size: () => Promise.resolve(0),
      follow: async function* () {},
    },
  });
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
  const projectId = String((await server.put("projects/acme", alice, project)).message);
  const { id: organizationId } = (await server.get("orgs/acme", alice)).message;
  seed = await seedEvaluation(server.services.database.kysely, {
    organizationId,
    projectId,
    userId: null,
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const path = () => `builds/${seed.base.id}/log`;

/** Resolves with the head; nothing of the body is read. */
function open(): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(`${server.url}/api/v1/${path()}`, { headers: { authorization: `Bearer ${alice}` } })
      .once("response", resolve)
      .once("error", reject)
      .end();
  });
}

/** A promise that somebody else fulfils. */
function gate() {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve: () => resolve() };
}

/** A log without an end, and when reading it has ended. */
function endless() {
  const ended = gate();
  const state = { pieces: 0, ended: ended.promise };
  texts = async function* () {
    try {
      for (;;) {
        state.pieces += 1;
        yield PIECE;
      }
    } finally {
      ended.resolve();
    }
  };
  return state;
}

test("a log of 20 MiB comes back as it was written, from a running and from an ended attempt", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "farm-log-"));
  let isEnded = false;
  const attempts = {
    isEnded: () => isEnded,
    logBytes: () => 0,
    recordSize: () => Promise.resolve(),
  };
  const files = await LogFiles.open({ dataDir, attempts, logger: createLogger("silent") });
  texts = () => files.text(1);
  // 41 bytes, so that characters of two to four bytes lie across every border between pieces.
  const line = 'é 😀 "quoted" \\ back\tesc \u001b[1m ü€!\r\n';
  const log = line.repeat(Math.ceil((20 * 1024 * 1024) / Buffer.byteLength(line)));
  await files.append(1, 0, log);
  const running = await server.get(path(), alice);
  isEnded = true;
  files.finish(1);
  await files[Symbol.asyncDispose]();
  const packed = await server.get(path(), alice);
  await rm(dataDir, { recursive: true });
  for (const answer of [running, packed]) {
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(Object.keys(answer.json ?? {})).toEqual(["error", "message"]);
    expect(answer.json?.error).toBe(false);
    // Not toBe: a difference would be printed.
    expect(answer.message === log).toBe(true);
  }
});

test("a client that goes away ends the reading", async () => {
  const log = endless();
  const response = await open();
  response.destroy();
  await log.ended;
  // What it did not take was not read either, but for what fits into the buffers of two sockets.
  expect(log.pieces).toBeLessThan(500);
});

test("a client that goes away before the first piece ends the reading", async () => {
  const log = endless();
  const source = texts;
  const asked = gate();
  const closed = gate();
  texts = async function* (attempt) {
    asked.resolve();
    await closed.promise;
    yield* source(attempt);
  };
  const client = request(`${server.url}/api/v1/${path()}`, {
    headers: { authorization: `Bearer ${alice}`, connection: "close" },
  });
  client.on("error", () => undefined).end();
  await asked.promise;
  client.destroy();
  await new Promise((resolve) => client.once("close", resolve));
  closed.resolve();
  await expect(log.ended).resolves.toBeUndefined();
});

test("a log that cannot be read is an error in the envelope", async () => {
  // oxlint-disable-next-line require-yield -- it fails before it has anything
  texts = async function* () {
    throw new Error("bad disk");
  };
  const answer = await server.get(path(), alice);
  expect([answer.status, answer.json?.code]).toEqual([500, "internal"]);
});

test("a log that breaks off breaks the connection, so that nobody takes it for whole", async () => {
  texts = async function* () {
    yield PIECE;
    throw new Error("bad disk");
  };
  await expect(server.get(path(), alice)).rejects.toThrow(/terminated|fetch failed/);
});

test("who only asks for the head has nothing read", async () => {
  const log = endless();
  const answer = await server.call("HEAD", path(), { token: alice });
  expect([answer.status, answer.text, log.pieces]).toEqual([200, "", 0]);
});
