import { afterEach, beforeEach, expect, test } from "vitest";
import { makeDerivation } from "./test-objects.test-support.ts";
import {
  buildStates,
  drvPathOf,
  evaluate,
  evaluationState,
  openScene,
  reportBuilt,
  type Scene,
} from "./test-scene.test-support.ts";

let scene: Scene;

beforeEach(async () => {
  scene = await openScene();
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

test("a commit is fetched, evaluated and built in the order of its dependencies, and its outputs are signed twice", async () => {
  const { farm, worker, organization } = scene;
  const lower = makeDerivation("lower");
  const upper = makeDerivation("upper", { inputs: [lower] });
  const evaluation = await evaluate(scene, [upper], [lower]);
  expect(await evaluationState(farm, evaluation)).toBe("Building");

  const first = await worker.takeOffer();
  expect(drvPathOf(first)).toBe(lower.path);
  await reportBuilt(worker, first, lower);
  expect(await worker.next("ack")).toMatchObject({ accepted: true, reason: null });
  const second = await worker.takeOffer();
  expect(drvPathOf(second)).toBe(upper.path);
  await reportBuilt(worker, second, upper, [lower]);
  expect(await worker.next("ack")).toMatchObject({ accepted: true });

  expect(await buildStates(farm)).toEqual({ lower: "Completed", upper: "Completed" });
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
  const rows = await farm.database.kysely
    .selectFrom("cache_paths")
    .select("signatures_json")
    .where("cache_id", "=", organization.cache)
    .where("path", "like", "%-upper")
    .execute();
  const names = rows.map((row) => row.signatures_json.match(/"([^:"]+):/g));
  expect(names).toEqual([[`"cache-${organization.cache}:`, `"worker-${worker.id}:`]]);
});
