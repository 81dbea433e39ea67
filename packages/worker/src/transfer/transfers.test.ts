import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { assignmentIdSchema, encodeNarBundle, singleFileNar } from "@gradient/protocol";
import { v7 } from "uuid";
import { compress, decompress } from "zstd-napi";
import { describe, expect, onTestFinished, test } from "vitest";
import { NarPool } from "../compress/nar-pool.ts";
import { captureLog } from "../testing/log-capture.ts";
import { ScriptedStore } from "../testing/scripted-nix.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { QUICK_TIMINGS } from "../testing/test-worker.ts";
import { TestTransfers } from "../testing/test-transfers.ts";
import { TransferAccess } from "./access.ts";
import { TransferClient } from "./client.ts";
import { DirectUploads } from "./direct-uploads.ts";
import { TransferError } from "./transfer-error.ts";
import { Transfers } from "./transfers.ts";

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return new URL(`ws://127.0.0.1:${port}/proto`);
}

async function setUp(listener?: RequestListener) {
  const coordinator = new TestTransfers();
  coordinator.token = "good";
  const server = await serve(
    listener ?? ((request, response) => void coordinator.handle(request, response)),
  );
  const access = new TransferAccess();
  access.grant("good");
  const { logger } = captureLog();
  const client = new TransferClient({ server, access, timings: QUICK_TIMINGS.transfer, logger });
  const store = new ScriptedStore(join(await temporaryDirectory(), "store"));
  const pool = new NarPool(1);
  onTestFinished(async () => {
    await client[Symbol.asyncDispose]();
    await pool[Symbol.asyncDispose]();
  });
  const abort = new AbortController();
  const scope = {
    assignment: assignmentIdSchema.parse(v7()),
    signal: abort.signal,
    traffic: { sentBytes: 0, receivedBytes: 0 },
  };
  const now = (): number => Date.now();
  const direct = new DirectUploads({ client, directory: await temporaryDirectory(), now, logger });
  const transfers = new Transfers({ client, store, pool, direct });
  return { coordinator, access, store, transfers, scope, abort };
}

async function refusalOf(work: Promise<unknown>): Promise<TransferError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TransferError))
    throw new Error(`expected a TransferError, not ${String(error)}`);
  return error;
}

function narOf(text: string): Buffer {
  return singleFileNar(Buffer.from(text));
}

const isBuilt = existsSync(new URL("../../dist/compress/nar-thread.js", import.meta.url));

describe("an upload", () => {
  test("of a small path is its NAR, in one request", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const facts = await store.add("small", "contents");
    await transfers.uploadNars([facts], scope);
    expect(coordinator.requests).toMatchObject([{ method: "PUT", assignment: scope.assignment }]);
    const [nar = Buffer.alloc(0)] = coordinator.nars.values();
    expect(decompress(nar)).toEqual(singleFileNar(Buffer.from("contents")));
  });

  test.skipIf(!isBuilt)("of a large path asks first, and streams", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const contents = randomBytes(3_000_000);
    const facts = await store.add("large", contents);
    await transfers.uploadNars([facts], scope);
    await transfers.uploadNars([facts], scope);
    expect(coordinator.requests.map(({ method }) => method)).toEqual(["POST", "PUT", "POST"]);
    const [nar = Buffer.alloc(0)] = coordinator.nars.values();
    expect(decompress(nar).equals(singleFileNar(contents))).toBe(true);
  });

  test.skipIf(!isBuilt)("that breaks off goes on behind what the coordinator kept", async () => {
    const coordinator = new TestTransfers();
    coordinator.token = "good";
    let puts = 0;
    const { store, transfers, scope } = await setUp((request, response) => {
      const [, hash = ""] = /nar\/([0-9a-z]{52})/.exec(request.url ?? "") ?? [];
      if (request.method === "PUT") puts += 1;
      if (request.method !== "PUT" || puts > 3) {
        void coordinator.handle(request, response);
        return;
      }
      // Takes another piece each time.
      const kept: Buffer[] = [coordinator.staged.get(hash) ?? Buffer.alloc(0)];
      request.on("data", (chunk: Buffer) => {
        kept.push(chunk);
        coordinator.staged.set(hash, Buffer.concat(kept));
        request.socket.destroy();
      });
      request.on("error", () => undefined);
    });
    const contents = randomBytes(3_000_000);
    await transfers.uploadNars([await store.add("large", contents)], scope);
    const [nar = Buffer.alloc(0)] = coordinator.nars.values();
    expect(decompress(nar).equals(singleFileNar(contents))).toBe(true);
    const offsets = coordinator.requests.map(({ path }) => /offset=(\d+)/.exec(path)?.[1]);
    expect(Number(offsets.at(-1))).toBeGreaterThan(0);
  });

  test("asks once for many, and sends only what is not there", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, count) => store.add(`path-${count}`, `contents ${count}`)),
    );
    await transfers.uploadNars(all.slice(0, 12), scope);
    coordinator.requests.length = 0;
    await transfers.uploadNars(all, scope);
    const requests = coordinator.requests.map(({ method, path }) => `${method} ${path}`);
    expect(requests).toEqual(["POST /nars/held", "PUT /nars"]);
    const sent = [...coordinator.nars.values()].slice(12).map((nar) => decompress(nar));
    expect(sent).toEqual(all.slice(12).map((_, at) => narOf(`contents ${at + 12}`)));
  });

  test("of many small paths takes few requests, however many there are", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const all = await Promise.all(
      Array.from({ length: 300 }, (_, count) => store.add(`path-${count}`, randomBytes(3000))),
    );
    await transfers.uploadNars(all, scope);
    expect(coordinator.nars.size).toBe(300);
    expect(coordinator.requests.length).toBeLessThan(10);
  });

  test("to a coordinator that does not know bundles sends each by itself", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const all = await Promise.all(["a", "b", "c"].map((name) => store.add(name, name)));
    coordinator.faults.push({ method: "PUT", path: /^\/nars$/, status: 404, body: {} });
    await transfers.uploadNars(all, scope);
    expect(coordinator.nars.size).toBe(3);
  });

  test("counts what it sends", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const facts = await store.add("small", "contents");
    await transfers.uploadNars([facts], scope);
    const [[narHash = "", bytes = Buffer.alloc(0)] = []] = coordinator.nars;
    const { length } = encodeNarBundle([{ narHash, narSize: facts.narSize, bytes }]);
    expect(scope.traffic).toEqual({ sentBytes: length, receivedBytes: 0 });
  });

  test("takes an outage for no answer: what may be there is not sent, and not left out", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const all = await Promise.all(["a", "b", "c", "d"].map((name) => store.add(name, name)));
    const fault = { method: "POST", path: /held/, status: 503, body: "the proxy is down" };
    coordinator.faults.push(...Array.from({ length: 20 }, () => fault));
    const error = await refusalOf(transfers.uploadNars(all, scope));
    expect(error).toMatchObject({ status: 503, isTransient: true });
    expect(coordinator.nars.size).toBe(0);
  });

  test("to a coordinator that does not know the question sends everything", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const all = await Promise.all(["a", "b", "c", "d"].map((name) => store.add(name, name)));
    coordinator.faults.push({ method: "POST", path: /held/, status: 404, body: {} });
    await transfers.uploadNars(all, scope);
    expect(coordinator.nars.size).toBe(4);
  });

  test.skipIf(!isBuilt)("that breaks off in the middle begins anew", async () => {
    const coordinator = new TestTransfers();
    coordinator.token = "good";
    let puts = 0;
    const { store, transfers, scope } = await setUp((request, response) => {
      if (request.method === "PUT") puts += 1;
      if (request.method === "PUT" && puts === 1) {
        request.once("data", () => request.socket.destroy());
      } else {
        void coordinator.handle(request, response);
      }
    });
    const contents = randomBytes(3_000_000);
    await transfers.uploadNars([await store.add("large", contents)], scope);
    expect(puts).toBe(2);
    expect(coordinator.nars.size).toBe(1);
  });

  test("of a path that is damaged here is not tried again", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const facts = await store.add("damaged", "contents");
    const uploading = transfers.uploadNars([{ ...facts, narSize: facts.narSize + 8 }], scope);
    await expect(uploading).rejects.toThrow("is damaged");
    expect(coordinator.requests).toEqual([]);
  });

  test("that is refused is not tried again, and has the coordinator's words", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const facts = await store.add("refused", "contents");
    coordinator.faults.push({
      method: "PUT",
      path: /nar/,
      status: 413,
      body: { code: "quota", error: "the cache is full: remove something" },
    });
    const error = await refusalOf(transfers.uploadNars([facts], scope));
    expect(error).toMatchObject({ code: "quota", status: 413, isTransient: false });
    expect(error.message).toBe(`upload of ${facts.path}: the cache is full: remove something`);
    expect(coordinator.requests).toHaveLength(1);
  });

  test("gives up after some tries", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const facts = await store.add("unlucky", "contents");
    const fault = { method: "PUT", path: /nar/, status: 500, body: "no JSON here" };
    coordinator.faults.push(...Array.from({ length: 20 }, () => fault));
    const error = await refusalOf(transfers.uploadNars([facts], scope));
    expect(error).toMatchObject({ status: 500, isTransient: true });
    expect(coordinator.requests).toHaveLength(QUICK_TIMINGS.transfer.attempts);
  });
});

describe("a download", () => {
  test("is imported", async () => {
    const { coordinator, store, transfers, scope } = await setUp();
    const other = new ScriptedStore(join(await temporaryDirectory(), "other"));
    const facts = await other.add("path", "contents");
    coordinator.hold(facts, compress(singleFileNar(Buffer.from("contents"))));
    await transfers.downloadNar(facts, scope);
    expect(await store.pathFacts(facts.path)).toEqual(facts);
  });

  test("that breaks off again and again goes on where it was", async () => {
    const contents = randomBytes(2_000_000);
    const other = new ScriptedStore(join(await temporaryDirectory(), "other"));
    const facts = await other.add("path", contents);
    const file = compress(singleFileNar(contents));
    const starts: number[] = [];
    const { store, transfers, scope } = await setUp((request, response) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      starts.push(start);
      const total = { "content-length": file.length - start };
      response.writeHead(start > 0 ? 206 : 200, total);
      const end = start + 100_000;
      response.write(file.subarray(start, end), () => {
        if (end >= file.length) response.end();
        else response.destroy();
      });
    });
    await transfers.downloadNar(facts, scope);
    expect(store.imported).toEqual([facts.path]);
    // Far more often than a transfer is tried, and never from the start.
    expect(starts.length).toBeGreaterThan(10);
    expect(starts.slice(1)).not.toContain(0);
    expect(scope.traffic.receivedBytes).toBe(file.length);
  });

  test("that breaks off in the middle begins anew where there are no ranges", async () => {
    const contents = randomBytes(500_000);
    const other = new ScriptedStore(join(await temporaryDirectory(), "other"));
    const facts = await other.add("path", contents);
    const file = compress(singleFileNar(contents));
    let gets = 0;
    const { store, transfers, scope } = await setUp((_request, response) => {
      gets += 1;
      if (gets > 1) {
        response.end(file);
        return;
      }
      response.writeHead(200, { "content-length": file.length });
      response.write(file.subarray(0, 100_000), () => response.destroy());
    });
    await transfers.downloadNar(facts, scope);
    expect(gets).toBe(2);
    expect(store.imported).toEqual([facts.path]);
  });

  test("that is no zstd fails, and says for which path", async () => {
    const other = new ScriptedStore(join(await temporaryDirectory(), "other"));
    const facts = await other.add("path", "contents");
    const { transfers, scope } = await setUp((_request, response) =>
      response.end("nonsense, really"),
    );
    await expect(transfers.downloadNar(facts, scope)).rejects.toThrow("frame");
  });
});

describe("the session's token", () => {
  test("is waited for", async () => {
    const { coordinator, access, transfers, scope } = await setUp();
    access.revoke();
    const asking = transfers
      .unknownDerivations([], scope)
      .then(() => transfers.closure(["/x"], scope));
    coordinator.token = "next";
    access.grant("next");
    expect(await asking).toEqual({ paths: [], missing: ["/x"] });
  });

  test("that has become stale is replaced by the next one", async () => {
    const { coordinator, access, transfers, scope } = await setUp();
    coordinator.token = "next";
    const asking = transfers.closure(["/x"], scope);
    access.grant("next");
    expect(await asking).toEqual({ paths: [], missing: ["/x"] });
  });

  test("is not waited for any longer when the work is cancelled", async () => {
    const { access, transfers, scope, abort } = await setUp();
    access.revoke();
    const asking = transfers.closure(["/x"], scope);
    abort.abort(new Error("cancelled"));
    await expect(asking).rejects.toThrow("cancelled");
  });
});
