import { brotliCompressSync } from "node:zlib";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  fingerprint,
  formatNarInfo,
  parseNarInfo,
  PublicKey,
  SecretKey,
  storePathHash,
} from "@gradient/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compress } from "zstd-napi";
import { systemClock } from "../../../clock.ts";
import { openTestServer, type Answer, type TestServer } from "../../server.test-support.ts";
import { file, flipped, nar, uploadOf, type Upload } from "./uploads.test-support.ts";

/** Another binary cache, as simple as can be. */
class Origin {
  readonly key = SecretKey.generate("origin-1");
  readonly asked: string[] = [];
  /** Bodies by path. */
  readonly files = new Map<string, Buffer>();
  /** A status for every request, or no answer at all. */
  fault: number | "silent" | null = null;
  encoding = "identity";
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => {
      this.asked.push(request.url ?? "");
      if (this.fault === "silent") return;
      const body = this.files.get(request.url ?? "");
      const status = this.fault ?? (body === undefined ? 404 : 200);
      response.writeHead(status, { "content-encoding": this.encoding }).end(body ?? "");
    });
  }

  static async open(): Promise<Origin> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Origin(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add({ info, bytes }: Upload, key: SecretKey = this.key): void {
    const signed = { ...info, signatures: [key.sign(fingerprint(info))] };
    this.files.set(`/${storePathHash(info.path)}.narinfo`, Buffer.from(formatNarInfo(signed)));
    this.files.set(`/${info.url}`, bytes);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

let origin: Origin;
let server: TestServer;
let passedMs = 0;
let alice: string;

beforeEach(async () => {
  origin = await Origin.open();
  passedMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + passedMs };
  server = await openTestServer({
    env: { GRADIENT_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8" },
    clock,
  });
  alice = await server.user("alice");
  for (const name of ["mirror", "inner"]) {
    await server.put("caches", alice, { name, display_name: name, public: true });
  }
  await setUpstream(origin);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await origin.close();
});

async function setUpstream({ url, key }: Pick<Origin, "url" | "key">): Promise<void> {
  await server.services.database.kysely
    .updateTable("cache_upstreams")
    .set({ url, public_key: key.publicKey.toString() })
    .execute();
}

const thing = (text: string): Upload => {
  const archive = nar(file(text));
  return uploadOf(archive, { bytes: compress(archive), suffix: ".zst", compression: "zstd" });
};
const narinfoOf = ({ info }: Upload, cache = "mirror"): Promise<Answer> =>
  server.get(`/cache/${cache}/${storePathHash(info.path)}.narinfo`);

/** null when the transfer broke. */
async function narOf(upload: Upload): Promise<{ status: number; bytes: Buffer } | null> {
  const { url } = parseNarInfo((await narinfoOf(upload)).text);
  try {
    const response = await fetch(`${server.url}/cache/mirror/${url}`);
    return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
  } catch {
    return null;
  }
}

async function isShown({ info }: Upload): Promise<boolean> {
  const path = `caches/mirror/nars/available?hash=${storePathHash(info.path)}`;
  return (await server.get(path, alice)).message.available;
}

describe("a path that only an upstream has", () => {
  test("is shown with the upstream's signature and the cache's own", async () => {
    const upload = thing("from afar");
    origin.add(upload);
    const answer = await narinfoOf(upload);
    expect([answer.status, answer.headers.get("x-cache")]).toEqual([200, "MISS"]);
    const info = parseNarInfo(answer.text);
    expect(info.url).toMatch(/^nar\/upstream\/[0-9a-f-]{36}\//);
    const own = PublicKey.parse((await server.get("caches/mirror/public-key", alice)).message);
    const text = fingerprint(info);
    expect(info.signatures.some((signature) => own.verifies(text, signature))).toBe(true);
    expect(
      info.signatures.some((signature) => origin.key.publicKey.verifies(text, signature)),
    ).toBe(true);
    expect(await isShown(upload)).toBe(false);
  });

  test("is passed on when it is fetched, and from then on the cache's own", async () => {
    const upload = thing("fetched once");
    origin.add(upload);
    expect(await narOf(upload)).toEqual({ status: 200, bytes: upload.bytes });
    expect(await isShown(upload)).toBe(true);
    const asked = origin.asked.length;
    const again = await narinfoOf(upload);
    expect(again.headers.get("x-cache")).toBe("HIT");
    expect((await narOf(upload))?.bytes).toEqual(upload.bytes);
    expect(origin.asked.length).toBe(asked);
  });

  test("is asked for once, however many ask at the same time", async () => {
    const upload = thing("popular");
    origin.add(upload);
    const answers = await Promise.all(Array.from({ length: 20 }, () => narinfoOf(upload)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(origin.asked).toHaveLength(1);
  });

  test("counts as there for what refers to it", async () => {
    const library = thing("library");
    origin.add(library);
    const archive = nar(file(`uses ${library.info.path}`));
    const { info, fileName, bytes } = uploadOf(archive);
    const headers = { authorization: `Basic ${Buffer.from(`x:${alice}`).toString("base64")}` };
    const put = (name: string, body: Buffer | string) =>
      fetch(`${server.url}/cache/mirror/${name}`, {
        method: "PUT",
        headers,
        body: body.toString(),
      });
    await put(`nar/${fileName}`, bytes);
    const text = formatNarInfo({ ...info, references: [library.info.path] });
    expect((await put(`${storePathHash(info.path)}.narinfo`, text)).status).toBe(201);
  });
});

describe("an upstream", () => {
  test("that does not have a path is not asked again for a minute", async () => {
    const upload = thing("not there yet");
    for (const _ of [1, 2, 3]) expect((await narinfoOf(upload)).status).toBe(404);
    expect(origin.asked).toHaveLength(1);
    origin.add(upload);
    passedMs += 61_000;
    expect((await narinfoOf(upload)).status).toBe(200);
  });

  test("that fails is left alone for a minute, and what it may have is not called absent", async () => {
    const library = thing("library");
    origin.add(library);
    origin.fault = 500;
    expect((await narinfoOf(library)).status).toBe(404);
    expect((await narinfoOf(thing("other"))).status).toBe(404);
    expect(origin.asked).toHaveLength(1);
    const cacheId = (await server.get("caches/mirror", alice)).message.id;
    const base = library.info.path.slice("/nix/store/".length);
    expect(await server.services.upstreams.missing(cacheId, [base])).toEqual({
      absent: [],
      unknown: [base],
    });
    origin.fault = null;
    passedMs += 61_000;
    expect((await narinfoOf(library)).status).toBe(200);
  });

  test("whose narinfo another key has signed, or that is of another path, has nothing", async () => {
    const forged = thing("forged");
    origin.add(forged, SecretKey.generate("origin-1"));
    expect((await narinfoOf(forged)).status).toBe(404);
    const [one, other] = [thing("one"), thing("other")];
    origin.add(one);
    const text = origin.files.get(`/${storePathHash(one.info.path)}.narinfo`) ?? Buffer.alloc(0);
    origin.files.set(`/${storePathHash(other.info.path)}.narinfo`, text);
    expect((await narinfoOf(other)).status).toBe(404);
  });

  test("whose NAR is not what its narinfo says breaks the transfer, and nothing is kept", async () => {
    const upload = thing("damaged on the way");
    origin.add(upload);
    for (const bytes of [
      flipped(upload.bytes, upload.bytes.length - 6),
      upload.bytes.subarray(0, -9),
    ]) {
      origin.files.set(`/${upload.info.url}`, bytes);
      expect(await narOf(upload)).toBeNull();
      expect(await isShown(upload)).toBe(false);
    }
    const files = await readdir(join(server.dataDir, "nar"), { recursive: true });
    expect(files.filter((name) => name.endsWith(".zst"))).toEqual([]);
  });

  test("may be another cache of this server", async () => {
    const upload = uploadOf(nar(file("inside")));
    const headers = { authorization: `Basic ${Buffer.from(`x:${alice}`).toString("base64")}` };
    const put = (name: string, body: string) =>
      fetch(`${server.url}/cache/inner/${name}`, { method: "PUT", headers, body });
    await put(`nar/${upload.fileName}`, upload.bytes.toString());
    await put(`${storePathHash(upload.info.path)}.narinfo`, formatNarInfo(upload.info));
    const inner = (await server.get("caches/inner", alice)).message.id;
    await server.services.database.kysely
      .updateTable("cache_upstreams")
      .set({ kind: "internal", url: null, public_key: null, upstream_cache_id: inner })
      .where("cache_id", "!=", inner)
      .execute();
    expect((await narinfoOf(upload)).status).toBe(200);
    expect((await narOf(upload))?.status).toBe(200);
  });
});

test("the log of a derivation that only an upstream has is passed on, unpacked", async () => {
  const drv = `${"0".repeat(32)}-hello.drv`;
  const path = `/cache/mirror/log/${drv}`;
  expect((await server.get(path)).status).toBe(404);
  origin.files.set(`/log/${drv}`, brotliCompressSync("built far away\n"));
  origin.encoding = "br";
  const answer = await server.get(path);
  expect([answer.status, answer.text, answer.headers.get("x-cache")]).toEqual([
    200,
    "built far away\n",
    "MISS",
  ]);
});
