import { closureSchema, LINK_FEATURES, type Offer } from "@gradient/protocol";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "../manual-clock.test-support.ts";
import { makeDerivation, outputOf, type TestDerivation } from "../test-objects.test-support.ts";
import {
  buildStates,
  drvPathOf,
  evaluate,
  evaluationState,
  openScene,
  outputFor,
  reportBuilt,
  type Scene,
} from "../test-scene.test-support.ts";
import { expectOk, type TestWorker } from "../test-worker.test-support.ts";

let scene: Scene;
let clock: ManualClock;

const input = makeDerivation("input");
const user = makeDerivation("user", { inputs: [input] });

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

function say(
  worker: TestWorker,
  { assignment, fencing }: Offer,
  phase: "building" | "uploading" | "signing",
) {
  worker.send({ type: "progress", assignment, fencing, phase, at: clock.now() });
}

/** Uploads the output and says that only the signature is missing. */
async function store(
  worker: TestWorker,
  offer: Offer,
  derivation: TestDerivation,
  inputs: readonly TestDerivation[] = [],
): Promise<void> {
  await expectOk(await worker.uploadNar(offer.assignment, await outputFor(derivation, inputs)));
  say(worker, offer, "signing");
}

async function visiblePaths(): Promise<string[]> {
  const rows = await scene.farm.database.kysely
    .selectFrom("cache_paths")
    .select("path")
    .orderBy("path")
    .execute();
  return rows.map(({ path }) => `/nix/store/${path}`);
}

test("what uses a build starts when it is stored, and nothing is shown before it is signed", async () => {
  const { farm, worker } = scene;
  const evaluation = await evaluate(scene, [user], [input]);
  const first = await worker.takeOffer();
  await store(worker, first, input);
  const second = await worker.takeOffer();
  expect(drvPathOf(second)).toBe(user.path);
  await worker.settle();
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Building" });
  expect(await visiblePaths()).not.toContain(outputOf(input));
  await reportBuilt(worker, first, input);
  await worker.next("ack");
  expect(await visiblePaths()).toContain(outputOf(input));
  expect(await buildStates(farm)).toEqual({ input: "Completed", user: "Building" });
  await reportBuilt(worker, second, user, [input]);
  expect(await worker.next("ack")).toMatchObject({ accepted: true });
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
});

test("what uses a build starts on its worker before it is uploaded, elsewhere afterwards", async () => {
  const { farm, organization, worker } = scene;
  const users = [1, 2, 3].map((n) => makeDerivation(`user-${n}`, { inputs: [input] }));
  await worker.drop();
  await worker.connect({ maxConcurrentBuilds: 1, features: [...LINK_FEATURES] });
  await evaluate(scene, users, [input]);
  const first = await worker.takeOffer();
  const other = await farm.addWorker(organization.id);
  await other.connect({ maxConcurrentBuilds: 1 });
  say(worker, first, "uploading");
  // One that begins, and one whose inputs are to be there when that has ended.
  const local = [await worker.takeOffer(), await worker.takeOffer()];
  await worker.settle();
  expect(other.pending("offer")).toBe(0);
  await store(worker, first, input);
  const last = await other.takeOffer();
  expect([...local, last].map(drvPathOf).toSorted()).toEqual(
    users.map(({ path }) => path).toSorted(),
  );
});

test("an upload that fails: what has begun goes on, what has not waits again", async () => {
  const { farm, worker } = scene;
  await worker.drop();
  await worker.connect({ maxConcurrentBuilds: 1, features: [...LINK_FEATURES] });
  const users = [1, 2, 3].map((n) => makeDerivation(`user-${n}`, { inputs: [input] }));
  const evaluation = await evaluate(scene, users, [input]);
  const first = await worker.takeOffer();
  say(worker, first, "uploading");
  const begun = [await worker.takeOffer(), await worker.takeOffer()];
  worker.sendResult(first, { outcome: "internal_error", message: "the upload was refused" });
  await worker.next("ack");
  const states = Object.values(await buildStates(farm)).toSorted();
  expect(states).toEqual(["Building", "Building", "Created", "FailedTransient"]);
  const byPath = new Map<string, TestDerivation>(users.map((each) => [each.path, each]));
  const report = async (offer: Offer) => {
    const built = byPath.get(drvPathOf(offer));
    if (built === undefined) throw new Error(`${drvPathOf(offer)} was not asked for`);
    await reportBuilt(worker, offer, built, [input]);
  };
  for (const offer of begun) await report(offer);
  await worker.settle();
  expect(worker.pending("ack")).toBe(0);
  await clock.advance(31_000);
  const again = await worker.takeOffer();
  say(worker, again, "uploading");
  await reportBuilt(worker, again, input);
  await report(await worker.takeOffer());
  await expect.poll(() => evaluationState(farm, evaluation)).toBe("Completed");
});

test("of a worker that says so of failed builds too, it is no sign that something was built", async () => {
  const { farm, worker } = scene;
  await evaluate(scene, [user], [input]);
  const first = await worker.takeOffer();
  say(worker, first, "uploading");
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Created" });
});

test("a result is held until what it refers to is shown", async () => {
  const { farm, worker } = scene;
  const evaluation = await evaluate(scene, [user], [input]);
  const first = await worker.takeOffer();
  await store(worker, first, input);
  const second = await worker.takeOffer();
  await reportBuilt(worker, second, user, [input]);
  await worker.settle();
  expect(worker.pending("ack")).toBe(0);
  expect(await evaluationState(farm, evaluation)).toBe("Building");
  await reportBuilt(worker, first, input);
  expect(await worker.next("ack")).toMatchObject({ fencing: first.fencing, accepted: true });
  expect(await worker.next("ack")).toMatchObject({ fencing: second.fencing, accepted: true });
  expect(await visiblePaths()).toEqual(expect.arrayContaining([outputOf(input), outputOf(user)]));
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
});

test("a held result that cannot be handled is sent again by its worker", async () => {
  const { farm, worker } = scene;
  const evaluation = await evaluate(scene, [user], [input]);
  const first = await worker.takeOffer();
  await store(worker, first, input);
  const second = await worker.takeOffer();
  await reportBuilt(worker, second, user, [input]);
  await worker.settle();
  // Nothing can be noted of the second attempt while this is there.
  const { kysely } = farm.database;
  const attempt = second.spec.kind === "build" ? second.spec.attempt : 0;
  await sql`create trigger broken before update on attempts when new.number = ${sql.lit(attempt)}
    begin select raise(abort, 'broken'); end`.execute(kysely);
  await reportBuilt(worker, first, input);
  await expect.poll(() => worker.closeCode).toBe(1011);
  await sql`drop trigger broken`.execute(kysely);
  const { assignment, fencing } = second;
  const welcome = await worker.connect({
    assignments: [{ assignment, fencing, state: "finished" }],
  });
  expect(welcome.reconcile).toEqual([{ assignment, fencing, action: "send" }]);
  await reportBuilt(worker, second, user, [input]);
  expect(await worker.next("ack")).toMatchObject({ fencing, accepted: true });
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
});

test("held results leave room for the build that they wait for", async () => {
  const { farm, worker } = scene;
  const users = Array.from({ length: 9 }, (_, n) =>
    makeDerivation(`user-${n}`, { inputs: [input] }),
  );
  const evaluation = await evaluate(scene, users, [input]);
  const first = await worker.takeOffer();
  await store(worker, first, input);
  const byPath = new Map<string, TestDerivation>(users.map((each) => [each.path, each]));
  for (let taken = 0; taken < users.length; taken++) {
    const offer = await worker.takeOffer("build");
    const built = byPath.get(drvPathOf(offer));
    if (built === undefined) throw new Error(`${drvPathOf(offer)} was not asked for`);
    await reportBuilt(worker, offer, built, [input]);
  }
  await worker.settle();
  // Its signature is wrong: it has to be built again, and there has to be a place for it.
  const { facts } = await outputFor(input);
  worker.sendResult(first, { outputs: [{ name: "out", facts }] });
  expect(await worker.next("ack")).toMatchObject({ fencing: first.fencing, accepted: false });
  await clock.advance(31_000);
  const again = await worker.takeOffer();
  expect(drvPathOf(again)).toBe(input.path);
  await reportBuilt(worker, again, input);
  for (let answered = 0; answered <= users.length; answered++)
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
});

test("said twice it counts once", async () => {
  const { farm, worker } = scene;
  const other = makeDerivation("other");
  const both = makeDerivation("both", { inputs: [input, other] });
  await evaluate(scene, [both], [input, other]);
  const offers = [await worker.takeOffer(), await worker.takeOffer()];
  const first = offers.find((offer) => drvPathOf(offer) === input.path);
  if (first === undefined) throw new Error("the input was not given out");
  await store(worker, first, input);
  await worker.settle();
  await worker.drop();
  await worker.connect({
    assignments: offers.map(({ assignment, fencing }) => ({
      assignment,
      fencing,
      state: "running",
    })),
  });
  say(worker, first, "building");
  say(worker, first, "signing");
  await worker.settle();
  expect(await buildStates(farm)).toMatchObject({ both: "Created" });
});

test("a worker that is lost before the signature: what has not begun waits again", async () => {
  const { farm, worker } = scene;
  await worker.drop();
  await worker.connect({ maxConcurrentBuilds: 1 });
  const evaluation = await evaluate(scene, [user], [input]);
  const first = await worker.takeOffer();
  await store(worker, first, input);
  const second = await worker.next("offer");
  expect(drvPathOf(second)).toBe(user.path);
  await worker.drop();
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Queued" });
  // Back without either: both are lost, and only the input is given out again.
  await worker.connect({ maxConcurrentBuilds: 1 });
  const again = await worker.takeOffer();
  expect(drvPathOf(again)).toBe(input.path);
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  expect(await buildStates(farm)).toEqual({ input: "Building", user: "Created" });
  await reportBuilt(worker, again, input);
  const last = await worker.takeOffer();
  await reportBuilt(worker, last, user, [input]);
  await expect.poll(() => evaluationState(farm, evaluation)).toBe("Completed");
});

test("another worker gets what it needs as soon as it is shown", async () => {
  const { farm, organization, worker } = scene;
  await worker.drop();
  await worker.connect({ maxConcurrentBuilds: 1, systems: ["x86_64-linux"] });
  const foreign = makeDerivation("foreign", { inputs: [input], system: "aarch64-linux" });
  await evaluate(scene, [foreign], [input]);
  const other = await farm.addWorker(organization.id);
  await other.connect({ systems: ["aarch64-linux"] });
  const first = await worker.takeOffer();
  await store(worker, first, input);
  const second = await other.takeOffer();
  const answer = other.transfer("POST", "/closure", second.assignment, {
    paths: [outputOf(input)],
  });
  await reportBuilt(worker, first, input);
  await worker.next("ack");
  const closure = closureSchema.parse(await (await answer).json());
  expect(closure.missing).toEqual([]);
  const [path] = closure.paths;
  expect(path?.path).toBe(outputOf(input));
  expect(path?.signatures).toHaveLength(2);
});

test("a build that goes on for a moment is seen to have started", async () => {
  const { farm, worker } = scene;
  await evaluate(scene, [input]);
  const offer = await worker.takeOffer();
  await worker.settle();
  const startedAt = clock.now();
  say(worker, offer, "building");
  await worker.settle();
  await clock.advance(1000);
  const times = () => farm.database.kysely.selectFrom("builds").select("started_at").execute();
  await expect.poll(times).toEqual([{ started_at: startedAt }]);
});
