import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import {
  closureSchema,
  encodeNarBundle,
  narReceiptSchema,
  STAGED_BYTES_HEADER,
  transferErrorSchema,
  type Offer,
  type PathFacts,
} from "@gradient/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  makeBundle,
  makeDerivation,
  makeOutput,
  makeSource,
  outputOf,
  type TestObject,
} from "../../../test-objects.test-support.ts";
import { openScene, type Scene } from "../../../test-scene.test-support.ts";
import { expectOk } from "../../../test-worker.test-support.ts";

let scene: Scene;
let offer: Offer;

beforeEach(async () => {
  scene = await openScene();
  const { farm, organization, worker } = scene;
  await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
  offer = await worker.takeOffer();
  await worker.settle();
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

const narPath = ({ facts }: TestObject) => `/nar/${facts.narHash.slice("sha256:".length)}`;

async function refusal(
  response: Response,
): Promise<{ status: number; code: string; error: string }> {
  return { status: response.status, ...transferErrorSchema.parse(await response.json()) };
}

function publish(...paths: PathFacts[]): Promise<Response> {
  return scene.worker.transfer("POST", "/paths", offer.assignment, { paths });
}

describe("who may transfer", () => {
  test("nobody without the token of a live session", async () => {
    const { farm, worker } = scene;
    const source = await makeSource("source", "text");
    const bare = await fetch(`${farm.url}/proto${narPath(source)}?size=1`, {
      method: "PUT",
      body: "x",
    });
    expect(await refusal(bare)).toMatchObject({ status: 401, code: "unauthorized" });
    await worker.drop();
    await expect.poll(() => farm.farm.workers.live()).toEqual([]);
    expect(await refusal(await worker.uploadNar(offer.assignment, source))).toMatchObject({
      status: 401,
    });
  });

  test("a stranger is refused before the body is read, whatever type it says it has", async () => {
    const { farm } = scene;
    for (const path of [`/nar/${"0".repeat(52)}?size=1`, "/derivations"]) {
      // The body never ends: an answer can come only without it.
      const body = new ReadableStream({ start: (writer) => writer.enqueue(Buffer.from(" ")) });
      const response = await fetch(`${farm.url}/proto${path}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body,
        duplex: "half",
      });
      expect(await refusal(response)).toMatchObject({ status: 401 });
    }
  });

  test("nobody for an assignment that the worker does not hold", async () => {
    const { farm, worker, organization } = scene;
    const other = await farm.addWorker(organization.id);
    await other.connect();
    const source = await makeSource("source", "text");
    expect(await refusal(await other.uploadNar(offer.assignment, source))).toMatchObject({
      status: 403,
    });
    expect(await refusal(await worker.uploadNar("nonsense", source))).toMatchObject({
      status: 403,
    });
  });

  test("an organization sees nothing of another's caches, not even by hash", async () => {
    const { farm, worker } = scene;
    const source = await makeSource("secret", "text");
    await worker.uploadSources(offer.assignment, source);
    const other = await farm.addOrganization();
    const spy = await farm.addWorker(other.id);
    await spy.connect();
    await farm.farm.evaluations.start({ projectId: other.project, triggeredBy: null });
    const { assignment } = await spy.takeOffer();
    expect((await spy.transfer("GET", narPath(source), assignment)).status).toBe(404);
    const closure = await spy.transfer("POST", "/closure", assignment, {
      paths: [source.facts.path],
    });
    expect(await closure.json()).toEqual({ paths: [], missing: [source.facts.path] });
  });
});

describe("another organization's NAR", () => {
  test("cannot be had by its hash and size: not by asking, not by publishing", async () => {
    const { farm, worker } = scene;
    const secret = await makeSource("secret", "text");
    await worker.uploadSources(offer.assignment, secret);
    const other = await farm.addOrganization();
    const spy = await farm.addWorker(other.id);
    await spy.connect();
    await farm.farm.evaluations.start({ projectId: other.project, triggeredBy: null });
    const { assignment } = await spy.takeOffer();
    expect((await spy.transfer("HEAD", narPath(secret), assignment)).status).toBe(404);
    const ask = { narHashes: [secret.facts.narHash] };
    const held = () => spy.transfer("POST", "/nars/held", assignment, ask);
    expect(await (await held()).json()).toEqual({ held: [] });
    const claim = { paths: [spy.sign(secret.facts)] };
    const publication = await spy.transfer("POST", "/paths", assignment, claim);
    expect((await refusal(publication)).error).toContain("was not uploaded");
    // An upload of something else under its name does not help.
    const { path } = secret.facts;
    const fake = { ...(await makeOutput(path, { text: "x".repeat(60) })), facts: secret.facts };
    expect(await refusal(await spy.uploadNar(assignment, fake))).toMatchObject({ status: 422 });
    expect(await refusal(await spy.transfer("POST", "/paths", assignment, claim))).toMatchObject({
      status: 422,
    });
    // Who has the bytes may.
    await expectOk(await spy.uploadNar(assignment, secret));
    expect(await (await held()).json()).toEqual({ held: [secret.facts.narHash] });
    await expectOk(await spy.transfer("POST", "/paths", assignment, claim));
  });
});

describe("NARs", () => {
  test("that the organization has are told in one answer", async () => {
    const { worker } = scene;
    const sources = await Promise.all(["a", "b", "c"].map((text) => makeSource("source", text)));
    for (const source of sources.slice(0, 2)) {
      await expectOk(await worker.uploadNar(offer.assignment, source));
    }
    const narHashes = sources.map(({ facts }) => facts.narHash);
    const answer = await worker.transfer("POST", "/nars/held", offer.assignment, { narHashes });
    expect(await answer.json()).toEqual({ held: narHashes.slice(0, 2) });
  });

  test("come many at once, and are held then", async () => {
    const { worker } = scene;
    const sources = await Promise.all(["a", "b", "c"].map((text) => makeSource("source", text)));
    const nars = sources.map(({ facts, body }) => ({
      narHash: facts.narHash.slice("sha256:".length),
      narSize: facts.narSize,
      bytes: body,
    }));
    const put = (body: Buffer) => worker.transfer("PUT", "/nars", offer.assignment, body);
    const bundle = encodeNarBundle(nars);
    expect(await refusal(await put(bundle.subarray(0, -1)))).toMatchObject({ status: 400 });
    expect(await refusal(await put(Buffer.alloc(5_000_000)))).toMatchObject({ status: 413 });
    expect(await (await put(bundle)).json()).toEqual({ accepted: 3 });
    const narHashes = sources.map(({ facts }) => facts.narHash);
    const answer = await worker.transfer("POST", "/nars/held", offer.assignment, { narHashes });
    expect(await answer.json()).toEqual({ held: narHashes });
    await expectOk(await publish(...sources.map(({ facts }) => facts)));
  });

  test("whose upload broke off go on where it did", async () => {
    const { farm, worker } = scene;
    const text = randomBytes(2_000_000).toString("hex");
    const large = await makeSource("large", text);
    const half = 1_500_000;
    const { hostname, port } = new URL(farm.url);
    const broken = connect({ host: hostname, port: Number(port) });
    broken.on("error", () => undefined);
    broken.write(
      [
        `PUT /proto${narPath(large)}?size=${large.facts.narSize} HTTP/1.1`,
        "Host: farm",
        `Authorization: Bearer ${worker.transferToken}`,
        `X-Gradient-Assignment: ${offer.assignment}`,
        `Content-Length: ${large.body.length}`,
        "\r\n",
      ].join("\r\n"),
    );
    broken.write(large.body.subarray(0, half), () => broken.destroySoon());
    const staged = async () => {
      const head = await worker.transfer("HEAD", narPath(large), offer.assignment);
      return Number(head.headers.get(STAGED_BYTES_HEADER));
    };
    await expect.poll(staged).toBeGreaterThan(1_000_000);
    const offset = await staged();
    const put = (from: number) => {
      const path = `${narPath(large)}?size=${large.facts.narSize}&offset=${from}`;
      return worker.transfer("PUT", path, offer.assignment, large.body.subarray(from));
    };
    expect(await refusal(await put(offset - 1))).toMatchObject({ code: "wrong_offset" });
    const receipt = narReceiptSchema.parse(await (await put(offset)).json());
    expect(receipt).toMatchObject({ fileSize: large.body.length });
    await expectOk(await publish(large.facts));
  });

  test("go in with a receipt and come out whole or in part, once a path of the organization has them", async () => {
    const { worker } = scene;
    const source = await makeSource("source", "text");
    const { assignment } = offer;
    expect((await worker.transfer("HEAD", narPath(source), assignment)).status).toBe(404);
    const receipt = narReceiptSchema.parse(
      await (await worker.uploadNar(assignment, source)).json(),
    );
    expect(receipt).toMatchObject({ narHash: source.facts.narHash, fileSize: source.body.length });
    expect((await worker.transfer("HEAD", narPath(source), assignment)).status).toBe(200);
    // Uploaded is not visible.
    expect((await worker.transfer("GET", narPath(source), assignment)).status).toBe(404);
    await expectOk(await publish(source.facts));
    const whole = await worker.transfer("GET", narPath(source), assignment);
    expect(Buffer.from(await whole.arrayBuffer())).toEqual(source.body);
    expect(await worker.uploadNar(assignment, source).then((response) => response.json())).toEqual(
      receipt,
    );
  });

  test("a bad hash or size is a bad request", async () => {
    const { worker } = scene;
    const put = (path: string) => worker.transfer("PUT", path, offer.assignment, Buffer.from("x"));
    expect(await refusal(await put("/nar/short?size=1"))).toMatchObject({ status: 400 });
    const hash = `0${"1".repeat(51)}`;
    expect(await refusal(await put(`/nar/${hash}`))).toMatchObject({ status: 400 });
    expect(await refusal(await put(`/nar/${hash}?size=-1`))).toMatchObject({ status: 400 });
    expect(await refusal(await put(`/nar/${hash}?size=9`))).toMatchObject({
      status: 422,
      code: "bad_zstd",
    });
  });
});

describe("paths", () => {
  test("content proves the name of a source; a wrong one is refused", async () => {
    const { worker } = scene;
    const source = await makeSource("source", "text");
    const other = await makeSource("source", "other text");
    await expectOk(await worker.uploadNar(offer.assignment, source));
    expect(await refusal(await publish({ ...source.facts, path: other.facts.path }))).toMatchObject(
      { status: 422 },
    );
    const unnamed = { ...source.facts, ca: null };
    expect((await refusal(await publish(unnamed))).error).toContain(
      "is not signed by the worker's key",
    );
    await expectOk(await publish(source.facts));
  });

  test("a path without content address needs the worker's signature and true references", async () => {
    const { worker } = scene;
    const source = await makeSource("source", "text");
    await worker.uploadSources(offer.assignment, source);
    const path = outputOf(makeDerivation("built"));
    const output = await makeOutput(path, { references: [] });
    await expectOk(await worker.uploadNar(offer.assignment, output));
    expect(await refusal(await publish(output.facts))).toMatchObject({
      status: 422,
      code: "path_refused",
    });
    const lie = worker.sign({ ...output.facts, references: [source.facts.path] });
    expect((await refusal(await publish(lie))).error).toContain("does not occur in it");
    await expectOk(await publish(worker.sign(output.facts)));
  });

  test("a reference that no cache of the organization has is named, and nothing is shown", async () => {
    const { farm, worker } = scene;
    const missing = outputOf(makeDerivation("missing"));
    const path = outputOf(makeDerivation("built"));
    const output = await makeOutput(path, { references: [missing] });
    await expectOk(await worker.uploadNar(offer.assignment, output));
    const answer = await refusal(await publish(worker.sign(output.facts)));
    expect(answer).toMatchObject({ status: 422, code: "missing_reference" });
    expect(answer.error).toContain(missing);
    expect(await farm.database.kysely.selectFrom("cache_paths").selectAll().execute()).toEqual([]);
  });

  test("a cache that is subscribed later gets what new paths refer to", async () => {
    const { farm, worker, organization } = scene;
    const source = await makeSource("source", "text");
    await worker.uploadSources(offer.assignment, source);
    const later = await farm.addCache(organization.id);
    const output = await makeOutput(outputOf(makeDerivation("built")), {
      references: [source.facts.path],
    });
    await expectOk(await worker.uploadNar(offer.assignment, output));
    await expectOk(await publish(worker.sign(output.facts)));
    const rows = await farm.database.kysely
      .selectFrom("cache_paths")
      .select(["path", "signatures_json"])
      .where("cache_id", "=", later)
      .orderBy("path")
      .execute();
    expect(rows.map(({ path }) => path.slice(33)).toSorted()).toEqual(["built", "source"]);
    for (const row of rows) expect(row.signatures_json).toContain(`cache-${later}:`);
  });

  test("a closure comes with references first, and names what is missing", async () => {
    const { worker } = scene;
    const low = await makeSource("low", "text");
    await worker.uploadSources(offer.assignment, low);
    const high = await makeOutput(outputOf(makeDerivation("high")), {
      references: [low.facts.path],
    });
    await expectOk(await worker.uploadNar(offer.assignment, high));
    await expectOk(await publish(worker.sign(high.facts)));
    const missing = outputOf(makeDerivation("missing"));
    const body = { paths: [high.facts.path, missing] };
    const response = await worker.transfer("POST", "/closure", offer.assignment, body);
    const closure = closureSchema.parse(await response.json());
    expect(closure.paths.map(({ path }) => path)).toEqual([low.facts.path, high.facts.path]);
    expect(closure.missing).toEqual([missing]);
    expect(closure.paths[1]).toMatchObject({
      ...high.facts,
      signatures: [expect.any(String), expect.any(String)],
    });
  });
});

describe("derivations", () => {
  const put = (body: Buffer) =>
    scene.worker.transfer("PUT", "/derivations", offer.assignment, body);

  test("are known after their bundle, with their edges, and their files are in the cache", async () => {
    const { farm, worker } = scene;
    const source = await makeSource("source", "text");
    await worker.uploadSources(offer.assignment, source);
    const low = makeDerivation("low", { sources: [source.facts.path], outputs: ["out", "dev"] });
    const env = { requiredSystemFeatures: "kvm", NIXBUILDNET_TAG_A: "b", NIXBUILDNET_MAX_MEM: "2" };
    const high = makeDerivation("high", { inputs: [low], env });
    const drvPaths = [low.path, high.path];
    const ask = () =>
      worker.transfer("POST", "/derivations/unknown", offer.assignment, { drvPaths });
    expect(await (await ask()).json()).toEqual({ unknown: drvPaths });
    expect(await (await put(await makeBundle([low, high]))).json()).toEqual({ accepted: 2 });
    expect(await (await ask()).json()).toEqual({ unknown: [] });
    const closure = await worker.transfer("POST", "/closure", offer.assignment, {
      paths: [high.path],
    });
    const { paths } = closureSchema.parse(await closure.json());
    expect(paths.map(({ path }) => path)).toEqual([source.facts.path, low.path, high.path]);
    expect(paths[2]?.ca).toMatch(/^text:sha256:/);
    const row = await farm.database.kysely
      .selectFrom("derivations")
      .selectAll()
      .where("name", "=", "high")
      .executeTakeFirst();
    expect(row).toMatchObject({ system: "x86_64-linux", required_features_json: '["kvm"]' });
    expect(JSON.parse(row?.facts_json ?? "")).toMatchObject({
      tags: { A: "b" },
      maxMemoryMegabytes: 2,
    });
    // Sending them again is harmless.
    expect(await (await put(await makeBundle([low, high]))).json()).toEqual({ accepted: 2 });
  });

  test("a name that does not follow from the contents is refused", async () => {
    const one = makeDerivation("one");
    const forged = { ...one, path: makeDerivation("one").path };
    const answer = await refusal(await put(await makeBundle([forged])));
    expect(answer).toMatchObject({ status: 422, code: "bad_derivation" });
    expect(answer.error).toContain(one.path.slice("/nix/store/".length));
  });

  test("an input that is not known, a source that is nowhere and a text that is no derivation are refused by name", async () => {
    const low = makeDerivation("low");
    const unknown = await refusal(
      await put(await makeBundle([makeDerivation("high", { inputs: [low] })])),
    );
    expect(unknown).toMatchObject({ status: 422, code: "unknown_input" });
    expect(unknown.error).toContain("-low.drv");
    const source = await makeSource("nowhere", "text");
    const lost = makeDerivation("lost", { sources: [source.facts.path] });
    expect(await refusal(await put(await makeBundle([lost])))).toMatchObject({
      code: "missing_reference",
    });
    const noise = { ...low, bytes: Buffer.from("Derive(oops") };
    expect(await refusal(await put(await makeBundle([noise])))).toMatchObject({
      code: "bad_derivation",
    });
  });

  test("what is no bundle is refused", async () => {
    expect(await refusal(await put(Buffer.from("no zstd")))).toMatchObject({
      status: 422,
      code: "bad_zstd",
    });
    const { compress } = await import("zstd-napi");
    expect(await refusal(await put(compress(Buffer.alloc(2048, 7))))).toMatchObject({
      code: "bad_bundle",
    });
    const whole = await makeBundle([makeDerivation("one"), makeDerivation("two")]);
    expect((await put(whole.subarray(0, -30))).status).toBe(422);
  });
});
