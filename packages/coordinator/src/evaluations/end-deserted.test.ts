import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "../manual-clock.test-support.ts";
import { makeDerivation } from "../test-objects.test-support.ts";
import { evaluate, evaluationState, openScene, type Scene } from "../test-scene.test-support.ts";

let scene: Scene;
let clock: ManualClock;

const settings = { reusesFailures: null, reusesTimeouts: null, keepsRunning: false };

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

/** Lets the clock go on in the steps of the sweep, until it is so much later. */
async function wait(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await clock.advance(1000);
    await scene.worker.settle();
  }
}

async function attempts() {
  return scene.farm.database.kysely
    .selectFrom("attempts")
    .select(["status", "message"])
    .orderBy("number")
    .execute();
}

test("builds that end with their client go on while it follows them, and end when it stays away", async () => {
  const { farm, worker } = scene;
  const names = ["a", "b", "c", "d"].map((name) => makeDerivation(name));
  const evaluation = await evaluate(scene, names, [], undefined, settings);
  const offers = [await worker.takeOffer("build"), await worker.takeOffer("build")];
  const attending = farm.farm.evaluations.attend(evaluation);
  await wait(30);
  expect(await evaluationState(farm, evaluation)).toBe("Building");
  attending[Symbol.dispose]();
  await wait(10);
  // It was away for a moment.
  const again = farm.farm.evaluations.attend(evaluation);
  await wait(10);
  expect(await evaluationState(farm, evaluation)).toBe("Building");
  again[Symbol.dispose]();
  await wait(17);
  await expect.poll(() => evaluationState(farm, evaluation)).toBe("Aborted");
  for (const offer of offers) {
    expect((await worker.next("cancel")).reason).toBe("session closed");
    worker.sendResult(offer, { outcome: "cancelled", message: "cancelled" });
    await worker.next("ack");
  }
  const expected = { status: "client_disconnect", message: "session closed" };
  expect(await attempts()).toEqual(names.map(() => expected));
});

test("a client that never comes is gone, too", async () => {
  const { farm } = scene;
  const evaluation = await evaluate(scene, [makeDerivation("pkg")], [], undefined, settings);
  await wait(17);
  await expect.poll(() => evaluationState(farm, evaluation)).toBe("Aborted");
});

test("what somebody else needs goes on, and so does an evaluation that says nothing", async () => {
  const { farm, worker, organization } = scene;
  const shared = makeDerivation("shared");
  const evaluation = await evaluate(scene, [shared], [], undefined, settings);
  await worker.takeOffer("build");
  const other = await evaluate(scene, [shared], [], await farm.addProject(organization.id));
  await wait(17);
  await expect.poll(() => evaluationState(farm, evaluation)).toBe("Aborted");
  expect(await evaluationState(farm, other)).toBe("Building");
  expect(await attempts()).toEqual([{ status: "running", message: null }]);
});
