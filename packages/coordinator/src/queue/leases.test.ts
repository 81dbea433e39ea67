import { text } from "node:stream/consumers";
import { assignmentIdSchema } from "@gradient/protocol";
import { v7 } from "uuid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeDerivation } from "../test-objects.test-support.ts";
import {
  buildStates,
  drvPathOf,
  evaluate,
  evaluationState,
  openScene,
  reportBuilt,
  startFetched,
  type Scene,
} from "../test-scene.test-support.ts";
import { ManualClock } from "../manual-clock.test-support.ts";

const LEASE_MS = 100_000;

let scene: Scene;
let clock: ManualClock;

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock, leaseMs: LEASE_MS });
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

async function attempts() {
  return scene.farm.database.kysely
    .selectFrom("attempts")
    .select(["number", "status", "message", "restart_of", "restarted_as"])
    .orderBy("number")
    .execute();
}

test("a result of another kind costs the attempt, and the build is given out again", async () => {
  const { farm, worker } = scene;
  await evaluate(scene, [makeDerivation("pkg")]);
  const { assignment, fencing } = await worker.takeOffer();
  worker.send({
    type: "result",
    assignment,
    fencing,
    result: { kind: "fetch", failure: null, commit: null, source: null, usage: null },
  });
  expect(await worker.next("ack")).toMatchObject({
    accepted: false,
    reason: expect.stringContaining("is of a fetch"),
  });
  const again = await worker.takeOffer("build");
  expect(again.fencing).toBeGreaterThan(fencing);
  const [lost, next] = await attempts();
  expect(lost).toMatchObject({ status: "internal_error", restarted_as: next?.number });
  expect(await buildStates(farm)).not.toEqual({ pkg: "Completed" });
});

test("a result under the name of another assignment is refused, and the attempt goes on", async () => {
  const { farm, worker } = scene;
  const pkg = makeDerivation("pkg");
  await evaluate(scene, [pkg]);
  const offer = await worker.takeOffer();
  await worker.settle();
  const assignment = assignmentIdSchema.parse(v7());
  const { fencing } = offer;
  const failure = { message: "no", isTransient: false };
  const result = { kind: "fetch", failure, commit: null, source: null, usage: null } as const;
  worker.send({ type: "result", assignment, fencing, result });
  expect(await worker.next("ack")).toMatchObject({ assignment, accepted: false });
  expect(await buildStates(farm)).toEqual({ pkg: "Building" });
  await reportBuilt(worker, offer, pkg);
  expect(await worker.next("ack")).toMatchObject({ accepted: true });
});

describe("a worker that is gone", () => {
  test("when its lease ends there is exactly one new attempt, linked to the lost one", async () => {
    const { farm, worker } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    await clock.advance(LEASE_MS - 5000);
    expect((await attempts()).map(({ status }) => status)).toEqual(["running"]);
    await clock.advance(10_000);
    const [lost, next, ...more] = await attempts();
    expect(more).toEqual([]);
    expect(lost).toMatchObject({ status: "internal_error", restarted_as: next?.number });
    expect(lost?.message).toContain(worker.id);
    expect(next).toMatchObject({ status: "pending", restart_of: lost?.number });
    expect(await buildStates(farm)).toEqual({ pkg: "Queued" });
    await clock.advance(LEASE_MS);
    expect(await attempts()).toHaveLength(2);
  });

  test("a lost socket does not end a build: the worker comes back within its lease and finishes the same attempt", async () => {
    const { farm, worker } = scene;
    const pkg = makeDerivation("pkg");
    await evaluate(scene, [pkg]);
    const offer = await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    await clock.advance(LEASE_MS / 2);
    const { assignment, fencing } = offer;
    const welcome = await worker.connect({
      assignments: [{ assignment, fencing, state: "running" }],
    });
    expect(welcome.reconcile).toEqual([{ assignment, fencing, action: "keep" }]);
    // The lease begins anew.
    await clock.advance(LEASE_MS * 0.8);
    await reportBuilt(worker, offer, pkg);
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    expect(await attempts()).toHaveLength(1);
    expect(await buildStates(farm)).toEqual({ pkg: "Completed" });
  });

  test("a worker that comes back without its build has lost it at once", async () => {
    const { worker } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    const offer = await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    await worker.connect();
    const again = await worker.takeOffer();
    expect(drvPathOf(again)).toBe(drvPathOf(offer));
    await worker.settle();
    expect((await attempts()).map(({ status }) => status)).toEqual(["internal_error", "running"]);
  });

  test("what it runs without a lease is cancelled, what it finished without one is dropped", async () => {
    const { worker } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    const { assignment, fencing } = await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    await clock.advance(LEASE_MS + 2000);
    const running = await worker.connect({
      assignments: [{ assignment, fencing, state: "running" }],
    });
    expect(running.reconcile).toMatchObject([{ action: "cancel" }]);
    const finished = await worker.connect({
      assignments: [{ assignment, fencing, state: "finished" }],
    });
    expect(finished.reconcile).toMatchObject([{ action: "drop" }]);
  });

  test("a result that was held back is asked for", async () => {
    const { worker } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    const { assignment, fencing } = await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    const welcome = await worker.connect({
      assignments: [{ assignment, fencing, state: "finished" }],
    });
    expect(welcome.reconcile).toEqual([{ assignment, fencing, action: "send" }]);
  });

  test("a lost fetch or evaluation is given out again", async () => {
    const { farm, worker } = scene;
    const evaluation = await startFetched(scene);
    const first = await worker.takeOffer();
    expect(first.spec.kind).toBe("eval");
    await worker.settle();
    expect(await evaluationState(farm, evaluation)).toBe("EvaluatingFlake");
    await worker.drop();
    await worker.connect();
    expect((await worker.takeOffer()).spec).toMatchObject({ kind: "eval", evaluation });
  });
});

describe("a worker that is there", () => {
  test("keeps its leases by answering pings, however long the build takes", async () => {
    const { worker } = scene;
    const pkg = makeDerivation("pkg");
    await evaluate(scene, [pkg]);
    const offer = await worker.takeOffer();
    await worker.settle();
    for (let minute = 0; minute < 5; minute++) {
      await clock.advance(60_000);
      const leases = await worker.next("leases");
      expect(leases.leases).toMatchObject([{ fencing: offer.fencing, remainingMs: LEASE_MS }]);
    }
    await reportBuilt(worker, offer, pkg);
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    expect(await attempts()).toHaveLength(1);
  });

  test("has the log taken of a build that it has lost, so that other logs are not held up", async () => {
    const { worker } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    const { assignment, fencing } = await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    await clock.advance(LEASE_MS + 2000);
    await worker.connect({ assignments: [{ assignment, fencing, state: "running" }] });
    worker.send({ type: "log", assignment, fencing, offset: 3, text: "é late\n" });
    expect(await worker.next("log-ack")).toEqual({
      type: "log-ack",
      assignment,
      fencing,
      offset: 3 + 8,
    });
  });

  test("an offer that is not answered goes to somebody else", async () => {
    const { farm, worker, organization } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    const offer = await worker.next("offer");
    const other = await farm.addWorker(organization.id);
    await other.connect();
    await clock.advance(32_000);
    const next = await other.takeOffer();
    expect(drvPathOf(next)).toBe(drvPathOf(offer));
    // Too late.
    worker.send({ type: "accept", assignment: offer.assignment, fencing: offer.fencing });
    expect(await worker.next("cancel")).toMatchObject({ fencing: offer.fencing });
    await other.settle();
    expect((await attempts()).map(({ status }) => status)).toEqual(["running"]);
  });

  test("a declined build is not offered to the same worker again for a while", async () => {
    const { worker } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    const { assignment, fencing } = await worker.next("offer");
    worker.send({ type: "decline", assignment, fencing, reason: "under pressure" });
    await worker.settle();
    await clock.advance(50_000);
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    await clock.advance(15_000);
    await worker.takeOffer();
  });

  test("a worker that takes nothing is asked ever more rarely", async () => {
    const { worker, farm, organization } = scene;
    await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
    const pauses: number[] = [];
    while (pauses.length < 8) {
      const { assignment, fencing } = await worker.next("offer");
      worker.send({ type: "decline", assignment, fencing, reason: "the disk is full" });
      await worker.settle();
      let seconds = 0;
      for (; worker.pending("offer") === 0; seconds += 1) {
        await clock.advance(1000);
        await worker.settle();
      }
      pauses.push(seconds);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  test("a worker gets one build more than it can run, and the next one as soon as one uploads", async () => {
    const { worker } = scene;
    await evaluate(
      scene,
      [1, 2, 3, 4, 5].map((n) => makeDerivation(`pkg${n}`)),
    );
    const first = await worker.takeOffer();
    await worker.takeOffer();
    await worker.takeOffer();
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    const { assignment, fencing } = first;
    worker.send({ type: "progress", assignment, fencing, phase: "building", at: 1 });
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    worker.send({ type: "progress", assignment, fencing, phase: "uploading", at: 2 });
    await worker.takeOffer();
  });

  test("a draining worker finishes what it has and gets nothing new", async () => {
    const { worker } = scene;
    const one = makeDerivation("one");
    await evaluate(scene, [one]);
    const offer = await worker.takeOffer();
    worker.send({ type: "draining" });
    await reportBuilt(worker, offer, one);
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    const { farm, organization } = scene;
    await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
  });
});

describe("the coordinator is started anew", () => {
  test("the same attempt goes on and nothing is built twice", async () => {
    const { farm, worker } = scene;
    const lower = makeDerivation("lower");
    const upper = makeDerivation("upper", { inputs: [lower] });
    const evaluation = await evaluate(scene, [upper], [lower]);
    const offer = await worker.takeOffer();
    const { assignment, fencing } = offer;
    worker.send({ type: "log", assignment, fencing, offset: 0, text: "before\n" });
    await worker.next("log-ack");
    // Down for longer than a lease.
    await farm.stop();
    await clock.advance(LEASE_MS * 2);
    await farm.start();
    await clock.advance(LEASE_MS * 0.9);
    const welcome = await worker.connect({
      assignments: [{ assignment, fencing, state: "running" }],
    });
    expect(welcome.reconcile).toEqual([{ assignment, fencing, action: "keep" }]);
    worker.send({ type: "log", assignment, fencing, offset: 7, text: "after\n" });
    expect(await worker.next("log-ack")).toMatchObject({ offset: 13 });
    await reportBuilt(worker, offer, lower);
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    await reportBuilt(worker, await worker.takeOffer(), upper, [lower]);
    await worker.next("ack");
    expect(await evaluationState(farm, evaluation)).toBe("Completed");
    expect((await attempts()).map(({ status }) => status)).toEqual(["built", "built"]);
    expect(await text(farm.farm.logs.text(1))).toBe("before\nafter\n");
  });

  test("what was queued is still queued, and fencing numbers go on rising", async () => {
    const { farm, worker } = scene;
    await evaluate(scene, [makeDerivation("a"), makeDerivation("b")]);
    const before = await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    await farm.stop();
    await farm.start();
    const { assignment, fencing } = before;
    await worker.connect({ assignments: [{ assignment, fencing, state: "running" }] });
    const after = await worker.takeOffer();
    expect(drvPathOf(after)).not.toBe(drvPathOf(before));
    expect(after.fencing).toBeGreaterThan(fencing);
  });
});
