import { afterEach, beforeEach, expect, test } from "vitest";
import { makeDerivation } from "./test-objects.test-support.ts";
import { evaluate, openScene, reportBuilt, type Scene } from "./test-scene.test-support.ts";

let scene: Scene;

beforeEach(async () => {
  scene = await openScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

test("a farm tells what waits, what workers have, and how attempts ended", async () => {
  const { farm, worker } = scene;
  const [one, two] = [makeDerivation("one"), makeDerivation("two")];
  await evaluate(scene, [one, two]);
  const offer = await worker.takeOffer("build");
  const busy = farm.farm.figures();
  expect(busy.workers).toBe(1);
  expect(busy.waiting.build + busy.assignments.build).toBe(2);
  expect(busy.endedAttempts.size).toBe(0);
  await reportBuilt(
    worker,
    offer,
    offer.spec.kind === "build" && offer.spec.drvPath === one.path ? one : two,
    [],
  );
  expect(await worker.next("ack")).toMatchObject({ accepted: true });
  const { assignments, waiting, endedAttempts } = farm.farm.figures();
  expect(waiting.build + assignments.build).toBe(1);
  expect([...endedAttempts]).toEqual([["built", 1]]);
});
