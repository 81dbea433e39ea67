import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { assignmentIdSchema, singleFileNar } from "@gradient/protocol";
import { v7 } from "uuid";
import { decompress } from "zstd-napi";
import { describe, expect, onTestFinished, test } from "vitest";
import { NarPool } from "../compress/nar-pool.ts";
import { captureLog } from "../testing/log-capture.ts";
import { ScriptedStore } from "../testing/scripted-nix.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { TestTransfers } from "../testing/test-transfers.ts";
import { QUICK_TIMINGS } from "../testing/test-worker.ts";
import { TransferAccess } from "./access.ts";
import { TransferClient } from "./client.ts";
import { DirectUploads } from "./direct-uploads.ts";
import { Transfers } from "./transfers.ts";

const CONTENTS = randomBytes(3_000_000);
const RESTS = "large NARs go through the coordinator for now: the way to its object store fails";
const isBuilt = existsSync(new URL("../../dist/compress/nar-thread.js", import.meta.url));

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A coordinator with an object store. `statuses`: of its first answers. `address`: where it is not. */
async function setUp(change: { statuses?: number[]; address?: string } = {}) {
  const coordinator = new TestTransfers();
  coordinator.token = "good";
  const puts: IncomingMessage["headers"][] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    puts.push(request.headers);
    const file = await buffer(request);
    const status = change.statuses?.shift() ?? 200;
    if (status !== 503 && status !== 403) {
      coordinator.objects.set(request.url?.split("?")[0] ?? "", file);
    }
    response.writeHead(status).end();
  };
  const store = await serve((request, response) => void take(request, response));
  coordinator.store = `http://${change.address ?? store}`;
  const server = await serve((request, response) => void coordinator.handle(request, response));
  const access = new TransferAccess();
  access.grant("good");
  const log = captureLog();
  const { logger } = log;
  const url = new URL(`ws://${server}/proto`);
  const client = new TransferClient({
    server: url,
    access,
    timings: QUICK_TIMINGS.transfer,
    logger,
  });
  const pool = new NarPool(1);
  onTestFinished(async () => {
    await client[Symbol.asyncDispose]();
    await pool[Symbol.asyncDispose]();
  });
  const directory = join(await temporaryDirectory(), "scratch");
  const time = { now: 1 };
  const direct = new DirectUploads({ client, directory, now: () => time.now, logger });
  const nars = new ScriptedStore(join(await temporaryDirectory(), "store"));
  const transfers = new Transfers({ client, store: nars, pool, direct });
  const scope = {
    assignment: assignmentIdSchema.parse(v7()),
    signal: new AbortController().signal,
    traffic: { sentBytes: 0, receivedBytes: 0 },
  };
  const facts = await nars.add("large", CONTENTS);
  const upload = () => transfers.uploadNars([facts], scope);
  return { coordinator, puts, log, directory, time, facts, upload, scope };
}

/** What the coordinator was asked for, without hashes. */
function asked({ requests }: TestTransfers): string[] {
  return requests.map(({ method, path }) => `${method} ${path.replace(/[0-9a-z]{52}|\?.*/g, "")}`);
}

const DIRECT = ["POST /nars/held", "POST /nar//ticket", "POST /nar//staged"];

describe.skipIf(!isBuilt)("a large NAR", () => {
  test("goes to the object store, and the coordinator gets no byte of it", async () => {
    const { coordinator, puts, log, directory, upload, scope } = await setUp();
    await upload();
    expect(asked(coordinator)).toEqual(DIRECT);
    const [nar = Buffer.alloc(0)] = coordinator.nars.values();
    expect(decompress(nar).equals(singleFileNar(CONTENTS))).toBe(true);
    const length = String(nar.length);
    expect(puts).toMatchObject([{ "content-length": length, "if-none-match": "*" }]);
    expect(puts[0]).not.toHaveProperty("authorization");
    expect(scope.traffic.sentBytes).toBe(nar.length);
    expect(await readdir(directory)).toEqual([]);
    expect(log.messages()).toEqual([]);
  });

  test("is asked for again while it is looked at", async () => {
    const { coordinator, upload } = await setUp();
    coordinator.faults.push({ method: "POST", path: /staged/, status: 202, body: {} });
    await upload();
    expect(asked(coordinator)).toEqual([...DIRECT, "POST /nar//staged"]);
    expect(coordinator.nars.size).toBe(1);
  });

  test("is put there again when the store fails once, and an answer that was lost does no harm", async () => {
    const { coordinator, puts, log, upload } = await setUp({ statuses: [503, 412] });
    await upload();
    expect(puts).toHaveLength(2);
    expect(asked(coordinator).filter((line) => line.includes("ticket"))).toHaveLength(2);
    expect(coordinator.nars.size).toBe(1);
    expect(log.text()).not.toContain("signature");
  });

  test("that is not there any more is put there again", async () => {
    const { coordinator, puts, upload } = await setUp();
    const body = { code: "not_staged", error: "it is gone" };
    coordinator.faults.push({ method: "POST", path: /staged/, status: 409, body });
    await upload();
    expect(puts).toHaveLength(2);
    expect(coordinator.nars.size).toBe(1);
  });

  test("that the coordinator finds wrong is refused", async () => {
    const { coordinator, upload } = await setUp();
    const body = { code: "nar_hash_mismatch", error: "damaged on the way" };
    coordinator.faults.push({ method: "POST", path: /staged/, status: 422, body });
    await expect(upload()).rejects.toThrow("damaged on the way");
    expect(asked(coordinator)).toEqual(DIRECT);
  });

  test.each([
    ["has no address", { address: "nowhere..invalid" }],
    ["does not listen", { address: "127.0.0.1:9" }],
    ["refuses", { statuses: [403, 403] }],
  ])("goes through the coordinator when the store %s, which is said once", async (_, change) => {
    const { coordinator, log, time, upload } = await setUp(change);
    await upload();
    expect(coordinator.nars.size).toBe(1);
    expect(log.messages().filter((message) => message === RESTS)).toHaveLength(1);
    expect(log.text()).not.toContain("signature");
    coordinator.nars.clear();
    coordinator.requests.length = 0;
    await upload();
    expect(asked(coordinator)).toEqual(["POST /nars/held", "PUT /nar/"]);
    expect(log.messages().filter((message) => message === RESTS)).toHaveLength(1);
    // After a while it is tried again.
    time.now += 2 * 3600_000;
    coordinator.nars.clear();
    coordinator.requests.length = 0;
    await upload();
    expect(asked(coordinator)).toContain("POST /nar//ticket");
  });

  test("goes through the coordinator when that says so, and this means nothing for others", async () => {
    const { coordinator, log, upload } = await setUp();
    coordinator.faults.push({ method: "POST", path: /ticket/, status: 200, body: { url: null } });
    await upload();
    expect(asked(coordinator)).toEqual(["POST /nars/held", "POST /nar//ticket", "PUT /nar/"]);
    expect(log.messages()).toEqual([]);
    coordinator.nars.clear();
    coordinator.requests.length = 0;
    await upload();
    expect(asked(coordinator)).toEqual(DIRECT);
  });

  test("goes through a coordinator of an earlier release", async () => {
    const { coordinator, upload } = await setUp();
    coordinator.store = null;
    await upload();
    expect(asked(coordinator)).toEqual(["POST /nars/held", "PUT /nar/"]);
  });
});
