import { MAX_FRAME_BYTES, SecretKey } from "@gradient/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../manual-clock.test-support.ts";
import { TestFarm, type TestOrganization } from "../test-farm.test-support.ts";
import type { TestWorker } from "../test-worker.test-support.ts";

let farm: TestFarm;
let clock: ManualClock;
let organization: TestOrganization;
let worker: TestWorker;

beforeEach(async () => {
  clock = new ManualClock();
  farm = await TestFarm.open({ clock });
  organization = await farm.addOrganization();
  worker = await farm.addWorker(organization.id);
});

afterEach(async () => {
  await farm[Symbol.asyncDispose]();
});

describe("who is let in", () => {
  test("a registered worker with its token is welcomed, and only for whom it has a token", async () => {
    const other = await farm.addOrganization();
    await farm.register(worker, other.id);
    worker.tokens.set(other.id, "wrong");
    const welcome = await worker.connect();
    expect(welcome.authorized).toEqual([organization.id]);
    expect(welcome.failed).toEqual([{ peer: other.id, reason: "the token is not valid" }]);
    expect(farm.farm.workers.live().map((live) => [...live.authorized])).toEqual([
      [organization.id],
    ]);
  });

  test("a wrong token gets no job: the worker is rejected and nothing was offered", async () => {
    await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
    worker.tokens.set(organization.id, "wrong");
    expect(await worker.connectRejected()).toMatchObject({ code: "unauthorized" });
    await worker.closed();
    expect(worker.pending("offer")).toBe(0);
    expect(farm.farm.workers.live()).toEqual([]);
  });

  test("a worker that nobody registered, or whose registration is inactive, is unknown", async () => {
    const stranger = await farm.addWorker();
    expect(await stranger.connectRejected()).toMatchObject({ code: "unknown-worker" });
    await farm.database.kysely.updateTable("worker_registrations").set({ active: 0 }).execute();
    expect(await worker.connectRejected()).toMatchObject({ code: "unknown-worker" });
  });

  test("a version that is not spoken here is rejected with the versions that are", async () => {
    const reject = await worker.connectRejected({ versions: { min: 7, max: 9 } });
    expect(reject.code).toBe("version");
    expect(reject.reason).toContain("versions 1 to 1");
  });

  test("another key than at the first connection is refused and kept for approval", async () => {
    await worker.connect();
    const first = worker.key.publicKey.toString();
    worker.key = SecretKey.generate("another");
    expect(await worker.connectRejected()).toMatchObject({ code: "key-changed" });
    const rows = await farm.database.kysely.selectFrom("workers").selectAll().execute();
    expect(rows).toMatchObject([
      { public_key: first, pending_public_key: worker.key.publicKey.toString(), epoch: 1 },
    ]);
  });

  test("the handshake has a deadline", async () => {
    await worker.open();
    await clock.advance(15_001);
    expect(await worker.next("reject")).toMatchObject({ code: "timeout" });
  });

  test("an answer to another challenge is no answer", async () => {
    await worker.open();
    worker.sayHello();
    await worker.next("challenge");
    worker.send({ type: "auth", nonce: "guessed", tokens: [] });
    expect(await worker.next("reject")).toMatchObject({ code: "malformed" });
  });

  test("anything but hello comes too early", async () => {
    await worker.open();
    worker.send({ type: "draining" });
    expect(await worker.next("reject")).toMatchObject({ code: "malformed" });
  });
});

describe("bad frames", () => {
  test("frames that are no messages are refused with the reason and end nothing, unless there are many", async () => {
    await worker.connect();
    worker.sendFrame("{");
    expect((await worker.next("refused")).reason).toContain("not JSON");
    worker.sendFrame(JSON.stringify({ type: "accept", assignment: "no" }));
    expect((await worker.next("refused")).reason).toContain("assignment");
    worker.sendFrame(Buffer.from([1, 2, 3]));
    expect((await worker.next("refused")).reason).toContain("binary");
    expect(farm.farm.workers.live()).toHaveLength(1);
    for (let n = 0; n < 7; n++) worker.sendFrame("[]");
    expect(await worker.next("reject")).toMatchObject({ code: "malformed" });
    await worker.closed();
  });

  test("a frame that is too large closes the connection", async () => {
    await worker.connect();
    worker.sendFrame(" ".repeat(MAX_FRAME_BYTES + 1));
    expect(await worker.closed()).toBe(1009);
  });
});

describe("one session a worker", () => {
  test("the newest authenticated connection wins, with a higher epoch", async () => {
    const first = await worker.connect();
    const older = await worker.open();
    // `older` is a second socket now; the first one is still served.
    worker.sayHello();
    await worker.answerChallenge();
    const second = await worker.next("welcome");
    expect(second.epoch).toBe(first.epoch + 1);
    expect(farm.farm.workers.live()).toHaveLength(1);
    older.terminate();
  });

  test("the older connection is told that it was superseded", async () => {
    await worker.connect();
    const twin = await farm.addWorker();
    Object.assign(twin, { id: worker.id, key: worker.key });
    for (const [peer, token] of worker.tokens) twin.tokens.set(peer, token);
    await twin.connect();
    expect(await worker.next("reject")).toMatchObject({ code: "superseded" });
    await worker.closed();
    expect(farm.farm.workers.live()).toHaveLength(1);
  });

  test("somebody who only knows the id takes nobody's place", async () => {
    await worker.connect();
    const impostor = await farm.addWorker();
    Object.assign(impostor, { id: worker.id });
    expect(await impostor.connectRejected()).toMatchObject({ code: "unauthorized" });
    await worker.settle();
    expect(farm.farm.workers.live()).toHaveLength(1);
  });

  test("a worker that gives no sign of life is dropped", async () => {
    const socket = await worker.open();
    worker.sayHello();
    await worker.answerChallenge();
    await worker.next("welcome");
    // Pings stay unanswered.
    socket.pause();
    await clock.advance(20_000 * 5);
    expect(farm.farm.workers.live()).toEqual([]);
  });
});

describe("registrations change", () => {
  test("a connected worker is challenged again and works for the new organization", async () => {
    await worker.connect();
    const other = await farm.addOrganization();
    await farm.register(worker, other.id);
    await farm.farm.workers.registrationsChanged(worker.id);
    await worker.answerChallenge();
    const welcome = await worker.next("welcome");
    expect(new Set(welcome.authorized)).toEqual(new Set([organization.id, other.id]));
  });

  test("a worker that is unregistered keeps its connection, gets no more work, and cannot come back", async () => {
    await worker.connect();
    await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
    const offer = await worker.takeOffer();
    await worker.settle();
    await farm.database.kysely.deleteFrom("worker_registrations").execute();
    await farm.farm.workers.registrationsChanged(worker.id);
    await farm.farm.evaluations.start({
      projectId: await farm.addProject(organization.id),
      triggeredBy: null,
    });
    expect(farm.farm.workers.live().map(({ authorized }) => authorized.size)).toEqual([0]);
    // What runs goes on to its end.
    const { assignment, fencing } = offer;
    const failure = { message: "no", isTransient: false };
    const result = { kind: "fetch", failure, commit: null, source: null, usage: null } as const;
    worker.send({ type: "result", assignment, fencing, result });
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    await clock.advance(60_000);
    await worker.settle();
    expect([worker.pending("offer"), worker.pending("challenge")]).toEqual([0, 0]);
    expect(farm.farm.workers.live()).toHaveLength(1);
    await worker.drop();
    expect(await worker.connectRejected()).toMatchObject({ code: "unknown-worker" });
  });

  test("a worker that one of two organizations unregisters works on for the other", async () => {
    const other = await farm.addOrganization();
    await farm.register(worker, other.id);
    await worker.connect();
    const { kysely } = farm.database;
    await kysely
      .deleteFrom("worker_registrations")
      .where("organization_id", "=", organization.id)
      .execute();
    await farm.farm.workers.registrationsChanged(worker.id);
    await worker.answerChallenge();
    expect((await worker.next("welcome")).authorized).toEqual([other.id]);
    await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
    await farm.farm.evaluations.start({ projectId: other.project, triggeredBy: null });
    expect(await worker.takeOffer()).toMatchObject({ organization: other.id });
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    await worker.drop();
    expect((await worker.connect()).authorized).toEqual([other.id]);
  });

  test("a worker that was unregistered and is registered again goes on over the same connection", async () => {
    await worker.connect();
    await farm.database.kysely.deleteFrom("worker_registrations").execute();
    await farm.farm.workers.registrationsChanged(worker.id);
    await farm.register(worker, organization.id);
    await farm.farm.workers.registrationsChanged(worker.id);
    await worker.answerChallenge();
    expect((await worker.next("welcome")).authorized).toEqual([organization.id]);
  });

  test("wrong tokens in a later challenge leave nothing, not everything", async () => {
    await worker.connect();
    await farm.farm.workers.registrationsChanged(worker.id);
    worker.tokens.clear();
    await worker.answerChallenge();
    expect(await worker.next("reject")).toMatchObject({ code: "unauthorized" });
  });

  test("a switch that is turned off takes away that kind of work", async () => {
    await worker.connect();
    await farm.database.kysely
      .updateTable("worker_registrations")
      .set({ enable_fetch: 0 })
      .execute();
    await farm.farm.workers.registrationsChanged(worker.id);
    await worker.answerChallenge();
    await worker.next("welcome");
    await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
  });

  test("a challenge that is not answered ends the session", async () => {
    await worker.connect();
    await farm.farm.workers.registrationsChanged(worker.id);
    await worker.next("challenge");
    await clock.advance(15_001);
    expect(await worker.next("reject")).toMatchObject({ code: "timeout" });
  });
});

describe("a probe", () => {
  test("is answered by a worker that is there, and by nobody for one that is not", async () => {
    expect(await farm.farm.workers.probe(worker.id)).toBeNull();
    await worker.connect();
    expect(await farm.farm.workers.probe(worker.id)).toBe(0);
  });

  test("of a worker that is silent ends at its deadline", async () => {
    const socket = await worker.open();
    worker.sayHello();
    await worker.answerChallenge();
    await worker.next("welcome");
    socket.pause();
    const answer = farm.farm.workers.probe(worker.id);
    await clock.advance(5000);
    expect(await answer).toBeNull();
    socket.terminate();
  });
});
