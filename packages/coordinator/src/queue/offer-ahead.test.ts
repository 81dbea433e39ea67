import { LINK_FEATURES, type Offer } from "@gradient/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "../manual-clock.test-support.ts";
import { makeDerivation } from "../test-objects.test-support.ts";
import {
  buildStates,
  drvPathOf,
  evaluate,
  evaluationState,
  openScene,
  reportBuilt,
  type Scene,
} from "../test-scene.test-support.ts";
import type { TestWorker } from "../test-worker.test-support.ts";

let scene: Scene;
let clock: ManualClock;

const input = makeDerivation("input");
const user = makeDerivation("user", { inputs: [input] });
const features = [...LINK_FEATURES];

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
  await scene.worker.drop();
  await scene.worker.connect({ maxConcurrentBuilds: 1, features });
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

function sayBuilt(worker: TestWorker, { assignment, fencing }: Offer): void {
  worker.send({ type: "progress", assignment, fencing, phase: "uploading", at: clock.now() });
}

function accept(worker: TestWorker, { assignment, fencing }: Offer): void {
  worker.send({ type: "accept", assignment, fencing });
}

/** As workers do: the input is built, and what came after it begins. */
function goOn(worker: TestWorker, first: Offer, { assignment, fencing }: Offer): void {
  const built = { assignment: first.assignment, fencing: first.fencing };
  worker.send({ type: "accept", assignment, fencing, built });
}

/** An evaluation whose first build was accepted. */
async function begin(): Promise<{ evaluation: string; first: Offer; ahead: Offer }> {
  const { worker } = scene;
  const evaluation = await evaluate(scene, [user], [input]);
  const first = await worker.takeOffer("build");
  return { evaluation, first, ahead: await worker.next("offer") };
}

async function heldByWorkers(): Promise<number> {
  const { kysely } = scene.farm.database;
  return (await kysely.selectFrom("assignments").select("fencing").execute()).length;
}

test("whoever makes the last input of a build is offered it before that is built, and begins without another word", async () => {
  const { farm, worker } = scene;
  const { evaluation, first, ahead } = await begin();
  expect(ahead).toMatchObject({ after: first.assignment, spec: { attempt: null } });
  expect(drvPathOf(ahead)).toBe(user.path);
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Created" });
  goOn(worker, first, ahead);
  await worker.settle();
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Building" });
  expect([worker.pending("offer"), worker.pending("cancel")]).toEqual([0, 0]);
  await reportBuilt(worker, first, input);
  await reportBuilt(worker, ahead, user, [input]);
  for (const { fencing } of [first, ahead])
    expect(await worker.next("ack")).toMatchObject({ fencing, accepted: true });
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
  const attempts = await farm.database.kysely
    .selectFrom("attempts")
    .select(["status", "cpu_count", "allocated_bytes"])
    .execute();
  expect(attempts).toEqual([
    { status: "built", cpu_count: 2, allocated_bytes: 2 ** 30 },
    { status: "built", cpu_count: 2, allocated_bytes: 2 ** 30 },
  ]);
});

test("whoever goes on with a chain is offered its next link ahead, too", async () => {
  const { worker } = scene;
  const last = makeDerivation("last", { inputs: [user] });
  await evaluate(scene, [last], [input, user]);
  const first = await worker.takeOffer("build");
  const ahead = await worker.next("offer");
  goOn(worker, first, ahead);
  const next = await worker.next("offer");
  expect([drvPathOf(next), next.after]).toEqual([last.path, ahead.assignment]);
});

test("when the input fails, the offer is taken back", async () => {
  const { farm, worker } = scene;
  const { first, ahead } = await begin();
  worker.sendResult(first, { outcome: "build_failed", message: "no" });
  await worker.next("ack");
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
  expect(await buildStates(farm)).toEqual({ input: "FailedPermanent", user: "DependencyFailed" });
  expect(await heldByWorkers()).toBe(0);
});

test("that the input is built may be told apart", async () => {
  const { farm, worker } = scene;
  const { first, ahead } = await begin();
  sayBuilt(worker, first);
  accept(worker, ahead);
  await worker.settle();
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Building" });
  expect(worker.pending("cancel")).toBe(0);
});

test("that the input is built counts also when the offer was taken back meanwhile", async () => {
  const { worker } = scene;
  const { first, ahead } = await begin();
  await clock.advance(6000);
  await worker.next("cancel");
  goOn(worker, first, ahead);
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
  expect(drvPathOf(await worker.takeOffer("build"))).toBe(user.path);
});

test("what is accepted without its input is refused, and offered when that is built", async () => {
  const { farm, worker } = scene;
  const { first, ahead } = await begin();
  accept(worker, ahead);
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
  sayBuilt(worker, first);
  const again = await worker.takeOffer("build");
  expect(again.after).toBeUndefined();
  await worker.settle();
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Building" });
});

test("a build that takes long is not waited for", async () => {
  const { worker } = scene;
  const { first, ahead } = await begin();
  await clock.advance(6000);
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
  sayBuilt(worker, first);
  const again = await worker.next("offer");
  expect([drvPathOf(again), again.after]).toEqual([user.path, undefined]);
});

test("what its worker does not begin when it could is offered to somebody else", async () => {
  const { farm, organization, worker } = scene;
  const { first, ahead } = await begin();
  sayBuilt(worker, first);
  await reportBuilt(worker, first, input);
  await worker.next("ack");
  worker.send({ type: "draining" });
  const other = await farm.addWorker(organization.id);
  await other.connect({ maxConcurrentBuilds: 1, features });
  await clock.advance(6000);
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
  expect(drvPathOf(await other.takeOffer("build"))).toBe(user.path);
});

test("what its worker will not begin is nobody's when its input is built", async () => {
  const { farm, organization, worker } = scene;
  const { first, ahead } = await begin();
  worker.send({ type: "draining" });
  sayBuilt(worker, first);
  await reportBuilt(worker, first, input);
  const other = await farm.addWorker(organization.id);
  await other.connect({ maxConcurrentBuilds: 1, features });
  expect(drvPathOf(await other.takeOffer("build"))).toBe(user.path);
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
});

test("a coordinator that gives out nothing new does not let it begin", async () => {
  const { farm, worker } = scene;
  const { first, ahead } = await begin();
  await farm.farm.setDraining(true);
  goOn(worker, first, ahead);
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
  await worker.settle();
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Queued" });
});

test("an organization that its worker has left is not worked for any more", async () => {
  const { farm, organization, worker } = scene;
  const { first, ahead } = await begin();
  await farm.database.kysely
    .deleteFrom("worker_registrations")
    .where("worker_id", "=", worker.id)
    .where("organization_id", "=", organization.id)
    .execute();
  await farm.farm.workers.registrationsChanged(worker.id);
  goOn(worker, first, ahead);
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
  await worker.settle();
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Queued" });
});

test("when the upload of the input fails before the offer is accepted, it is taken back", async () => {
  const { farm, worker } = scene;
  const { first, ahead } = await begin();
  sayBuilt(worker, first);
  worker.sendResult(first, { outcome: "internal_error", message: "the upload was refused" });
  expect(await worker.next("cancel")).toMatchObject({ fencing: ahead.fencing });
  expect(await buildStates(farm)).toEqual({ input: "FailedTransient", user: "Created" });
  await expect.poll(heldByWorkers).toBe(0);
});

test("nothing is offered ahead while other builds wait", async () => {
  const { farm, worker } = scene;
  const others = [makeDerivation("other-1"), makeDerivation("other-2")];
  await evaluate(scene, [user, ...others], [input]);
  const offers = [await worker.takeOffer("build"), await worker.takeOffer("build")];
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  expect(offers.map(({ after }) => after)).toEqual([undefined, undefined]);
  expect(await buildStates(farm)).toMatchObject({ user: "Created" });
});

test("nothing is offered ahead before what became ready with the build that is accepted", async () => {
  const { worker } = scene;
  const other = makeDerivation("other", { inputs: [input] });
  const last = makeDerivation("last", { inputs: [user] });
  await evaluate(scene, [last, other], [input, user]);
  const first = await worker.takeOffer("build");
  const ahead = await worker.next("offer");
  expect(drvPathOf(ahead)).toBe(user.path);
  goOn(worker, first, ahead);
  expect(drvPathOf(await worker.next("offer"))).toBe(other.path);
});

test("nothing is offered ahead to a worker that does not know of it", async () => {
  const { worker } = scene;
  await worker.drop();
  await worker.connect({ features: features.filter((name) => name !== "offer-ahead") });
  await evaluate(scene, [user], [input]);
  await worker.takeOffer("build");
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
});

test("what is offered ahead takes no slot from a build that can begin", async () => {
  const { farm, organization, worker } = scene;
  await worker.drop();
  await worker.connect({ maxConcurrentBuilds: 2, features });
  const { first, ahead } = await begin();
  expect(ahead.after).toBe(first.assignment);
  const other = makeDerivation("other");
  await evaluate(scene, [other], [], await farm.addProject(organization.id));
  expect(drvPathOf(await worker.takeOffer("build"))).toBe(other.path);
  sayBuilt(worker, first);
  accept(worker, ahead);
  await worker.settle();
  expect(await buildStates(farm)).toMatchObject({ user: "Building", other: "Building" });
});

test("a worker that comes back is not held to what it was offered", async () => {
  const { farm, worker } = scene;
  const { first, ahead } = await begin();
  const { assignment, fencing } = first;
  await worker.drop();
  await worker.connect({
    maxConcurrentBuilds: 1,
    features,
    assignments: [{ assignment, fencing, state: "running" }],
  });
  expect(await heldByWorkers()).toBe(1);
  sayBuilt(worker, first);
  const again = await worker.takeOffer("build");
  expect(again.fencing).toBeGreaterThan(ahead.fencing);
  await worker.settle();
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Building" });
});

test("a coordinator that starts takes back what was offered ahead", async () => {
  const { farm, worker } = scene;
  const { first, ahead } = await begin();
  await farm.stop();
  await farm.start();
  expect(await heldByWorkers()).toBe(1);
  const [running, begun] = [first, ahead].map(({ assignment, fencing }) => ({
    assignment,
    fencing,
    state: "running" as const,
  }));
  const welcome = await worker.connect({
    maxConcurrentBuilds: 1,
    features,
    assignments: [running, begun].flatMap((each) => each ?? []),
  });
  expect(welcome.reconcile.map(({ action }) => action)).toEqual(["keep", "cancel"]);
  sayBuilt(worker, first);
  expect(drvPathOf(await worker.takeOffer("build"))).toBe(user.path);
});
