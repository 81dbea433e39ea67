import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "./manual-clock.test-support.ts";
import { makeDerivation } from "./test-objects.test-support.ts";
import {
  evaluate,
  evaluationState,
  openScene,
  reportBuilt,
  type Scene,
} from "./test-scene.test-support.ts";

let scene: Scene;
let clock: ManualClock;

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
});
afterEach(() => scene[Symbol.asyncDispose]());

async function reasonOf(evaluation: string): Promise<string | null | undefined> {
  const row = await scene.farm.database.kysely
    .selectFrom("evaluations")
    .select("waiting_reason_json")
    .where("id", "=", evaluation)
    .executeTakeFirst();
  return row?.waiting_reason_json;
}

test("a farm that drains gives out nothing; what begins waits, and goes on afterwards", async () => {
  const { farm, worker, organization } = scene;
  await farm.farm.setDraining(true);
  const evaluation = await farm.farm.evaluations.start({
    projectId: organization.project,
    triggeredBy: null,
  });
  await farm.farm.reviewWaiting();
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  expect(await evaluationState(farm, evaluation)).toBe("Waiting");
  expect(await reasonOf(evaluation)).toBe('{"kind":"draining"}');
  await farm.farm.setDraining(false);
  await worker.takeOffer("fetch");
  expect(await reasonOf(evaluation)).toBeNull();
});

test("what is being built ends, and the evaluation waits with what is left", async () => {
  const { farm, worker } = scene;
  const lower = makeDerivation("lower");
  const upper = makeDerivation("upper", { inputs: [lower] });
  const evaluation = await evaluate(scene, [upper], [lower]);
  const offer = await worker.takeOffer();
  await farm.farm.setDraining(true);
  await reportBuilt(worker, offer, lower);
  await worker.next("ack");
  await clock.advance(60_000);
  await worker.settle();
  await farm.farm.reviewWaiting();
  expect(await evaluationState(farm, evaluation)).toBe("Waiting");
  expect(worker.pending("offer")).toBe(0);
  await farm.farm.setDraining(false);
  await reportBuilt(worker, await worker.takeOffer(), upper, [lower]);
  await worker.next("ack");
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
});

test("an evaluation whose last build ends meanwhile is completed", async () => {
  const { farm, worker } = scene;
  const app = makeDerivation("app");
  const evaluation = await evaluate(scene, [app]);
  const offer = await worker.takeOffer();
  await farm.farm.setDraining(true);
  await reportBuilt(worker, offer, app);
  await worker.next("ack");
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
});
