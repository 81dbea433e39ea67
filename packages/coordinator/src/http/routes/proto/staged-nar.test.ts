import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import {
  heldNarsSchema,
  narReceiptSchema,
  transferErrorSchema,
  uploadTicketSchema,
  type Offer,
} from "@gradient/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { TEST_CREDENTIALS, TestS3 } from "../../../storage/s3-server.test-support.ts";
import { makeSource, type TestObject } from "../../../test-objects.test-support.ts";
import { openScene, type Scene } from "../../../test-scene.test-support.ts";
import { expectOk } from "../../../test-worker.test-support.ts";

const DAY_MS = 24 * 3600 * 1000;

let s3: TestS3;
let scene: Scene;
let offer: Offer;
let source: TestObject;
let other: TestObject;
let round = 0;

beforeAll(async () => {
  for (const [name, value] of Object.entries(TEST_CREDENTIALS)) vi.stubEnv(name, value);
  s3 = await TestS3.start();
  source = await makeSource("source", randomBytes(200_000).toString("hex"));
  other = await makeSource("other", "text");
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

beforeEach(async () => {
  round += 1;
  scene = await openScene({ objectStore: s3.location(`farm-${round}/`) });
  const { farm, organization, worker } = scene;
  await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
  offer = await worker.takeOffer();
  await worker.settle();
  s3.requests.length = 0;
});
afterEach(async () => {
  s3.fault = () => null;
  await scene[Symbol.asyncDispose]();
});

const hashOf = ({ facts }: TestObject) => facts.narHash.slice("sha256:".length);

async function ticket(fileSize: number, assignment: string = offer.assignment) {
  const path = `/nar/${hashOf(source)}/ticket?fileSize=${fileSize}`;
  const answer = await scene.worker.transfer("POST", path, assignment);
  if (!answer.ok) return { status: answer.status, url: "" };
  const { url } = uploadTicketSchema.parse(await answer.json());
  return { status: answer.status, url };
}

async function put(url: string | null, bytes: Buffer): Promise<number> {
  const headers = { "if-none-match": "*" };
  const body = new Uint8Array(bytes);
  return (await fetch(url ?? "", { method: "PUT", headers, body })).status;
}

async function putDirectly(bytes: Buffer): Promise<void> {
  expect(await put((await ticket(bytes.length)).url, bytes)).toBe(200);
}

function take(assignment: string = offer.assignment): Promise<Response> {
  const path = `/nar/${hashOf(source)}/staged?size=${source.facts.narSize}`;
  return scene.worker.transfer("POST", path, assignment);
}

async function refusal(response: Response): Promise<{ status: number; code: string }> {
  return { status: response.status, ...transferErrorSchema.parse(await response.json()) };
}

/** Objects of the farm, asked for as anybody who has an address. */
async function objects(): Promise<string[]> {
  const { bucket, prefix, endpoint } = s3.location(`farm-${round}/`);
  const list = await (await fetch(`${endpoint}/${bucket}?list-type=2&prefix=${prefix}`)).text();
  return [...list.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = ""]) => key.slice(prefix.length));
}

describe("a NAR that a worker puts into the store", () => {
  test("is verified there, comes to its place by a copy, and can be published", async () => {
    const { farm, worker } = scene;
    const asked = { narHashes: [source.facts.narHash] };
    const answer = await worker.transfer("POST", "/nars/held", offer.assignment, asked);
    const held = heldNarsSchema.parse(await answer.json());
    expect(held.held).toEqual([]);
    expect(held.directFromBytes).toBeGreaterThan(0);

    await putDirectly(source.body);
    expect(await objects()).toEqual([`staged/${worker.id}/${offer.assignment}/${hashOf(source)}`]);
    expect(farm.farm.intake.findHeld(scene.organization.id, hashOf(source))).toBeNull();
    const receipt = narReceiptSchema.parse(await (await take()).json());
    expect(receipt).toMatchObject({ narHash: source.facts.narHash, fileSize: source.body.length });

    expect(await objects()).toEqual([
      `nar/${hashOf(source).slice(0, 2)}/${hashOf(source)}.nar.zst`,
    ]);
    // Its bytes never left the store but to be looked at.
    const puts = s3.requests.filter(({ method }) => method === "PUT");
    expect(puts.map(({ headers }) => "x-amz-copy-source" in headers)).toEqual([false, true]);
    const stored = await buffer(await farm.farm.nars.read(hashOf(source)));
    expect(stored.equals(source.body)).toBe(true);
    const paths = [worker.sign(source.facts)];
    await expectOk(await worker.transfer("POST", "/paths", offer.assignment, { paths }));
    const read = await worker.transfer("GET", `/nar/${hashOf(source)}`, offer.assignment);
    expect(read.status).toBe(200);
    // An answer that was lost is given again.
    expect(narReceiptSchema.parse(await (await take()).json())).toEqual(receipt);
  });

  test.each([
    ["is damaged", (bytes: Buffer) => Buffer.from(bytes).fill(7, 1000, 1100)],
    ["ends too early", (bytes: Buffer) => bytes.subarray(0, -5)],
    ["goes on behind its end", (bytes: Buffer) => Buffer.concat([bytes, bytes])],
    ["is another one", () => other.body],
  ])("and that %s is refused and removed", async (_, damage) => {
    await putDirectly(damage(source.body));
    expect(await refusal(await take())).toMatchObject({ status: 422 });
    expect(await objects()).toEqual([]);
    expect(scene.farm.farm.intake.findHeld(scene.organization.id, hashOf(source))).toBeNull();
    expect(await refusal(await take())).toMatchObject({ status: 409, code: "not_staged" });
  });

  test("is not replaced while it is there, and is as long as was said", async () => {
    const { url } = await ticket(source.body.length);
    // Those are part of what is signed.
    expect(new URL(url ?? "").searchParams.get("X-Amz-SignedHeaders")).toBe(
      "content-length;host;if-none-match",
    );
    expect(await put(url, source.body)).toBe(200);
    expect(await put(url, other.body)).toBe(412);
    await expectOk(await take());
  });

  test("that is too large goes through the coordinator", async () => {
    expect(await ticket(2 * 1024 ** 3)).toMatchObject({ url: expect.stringContaining("http") });
    expect(await ticket(2 * 1024 ** 3 + 1)).toEqual({ status: 200, url: null });
  });

  test("is removed when the store fails while it is looked at", async () => {
    await putDirectly(source.body);
    s3.fault = ({ method }) => (method === "GET" ? { kind: "status", status: 403 } : null);
    expect(await refusal(await take())).toMatchObject({ status: 503 });
    s3.fault = () => null;
    expect(await objects()).toEqual([]);
  });

  test("that could not be removed is removed when it is asked for again, unread", async () => {
    await putDirectly(source.body);
    s3.fault = ({ method }) => (method === "DELETE" ? { kind: "status", status: 403 } : null);
    const receipt = await (await take()).json();
    expect(await objects()).toHaveLength(2);
    s3.fault = () => null;
    s3.requests.length = 0;
    expect(await (await take()).json()).toEqual(receipt);
    expect(s3.requests.map(({ method }) => method)).toEqual(["HEAD", "DELETE"]);
    expect(await objects()).toEqual([expect.stringMatching(/^nar\//)]);
  });
});

test("who may not upload for an assignment gets no ticket, and takes nothing", async () => {
  const { farm, organization } = scene;
  const mine = offer;
  await putDirectly(source.body);
  const stranger = await farm.addWorker(organization.id);
  await stranger.connect();
  const path = `/nar/${hashOf(source)}`;
  for (const request of [`${path}/ticket?fileSize=9`, `${path}/staged?size=9`]) {
    const answer = await stranger.transfer("POST", request, mine.assignment);
    expect(await refusal(answer)).toMatchObject({ status: 403 });
    const bare = await fetch(`${farm.url}/proto${request}`, { method: "POST" });
    expect(await refusal(bare)).toMatchObject({ status: 401 });
  }
  expect(await objects()).toHaveLength(1);
});

test("what nobody asked for is removed a day later, also after a restart", async () => {
  const { farm } = scene;
  await putDirectly(source.body);
  await farm.stop();
  await farm.start();
  await farm.farm.nars.removeStaged(Date.now() - DAY_MS);
  expect(await objects()).toHaveLength(1);
  await farm.farm.nars.removeStaged(Date.now() + DAY_MS);
  expect(await objects()).toEqual([]);
});

test("a farm without a bucket does not offer it", async () => {
  await scene[Symbol.asyncDispose]();
  scene = await openScene();
  const { farm, organization, worker } = scene;
  await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
  offer = await worker.takeOffer();
  const asked = { narHashes: [source.facts.narHash] };
  const answer = await worker.transfer("POST", "/nars/held", offer.assignment, asked);
  expect(await answer.json()).toEqual({ held: [] });
  expect(await ticket(9)).toEqual({ status: 200, url: null });
  expect(await refusal(await take())).toMatchObject({ status: 409, code: "not_staged" });
});
