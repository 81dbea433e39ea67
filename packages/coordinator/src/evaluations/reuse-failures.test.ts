import type { BuildOutcome } from "@gradient/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeDerivation, type TestDerivation } from "../test-objects.test-support.ts";
import {
  buildStates,
  evaluate,
  evaluationState,
  openScene,
  reportBuilt,
  type Scene,
} from "../test-scene.test-support.ts";

let scene: Scene;

beforeEach(async () => {
  scene = await openScene();
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

type Setting = "reuse_build_failures" | "reuse_build_timeouts";

async function switchOn(...settings: Setting[]): Promise<void> {
  const columns = Object.fromEntries(settings.map((setting) => [setting, 1]));
  await scene.farm.database.kysely.updateTable("organizations").set(columns).execute();
}

/** An evaluation of a build that ends like this, and of what waits for it. */
async function fail(
  derivation: TestDerivation,
  outcome: BuildOutcome,
  dependents: readonly TestDerivation[] = [],
): Promise<void> {
  const { farm, worker } = scene;
  const jobs = dependents.length > 0 ? dependents : [derivation];
  const evaluation = await evaluate(scene, jobs, dependents.length > 0 ? [derivation] : []);
  worker.sendResult(await worker.takeOffer("build"), { outcome, message: "exit code 1" });
  await worker.next("ack");
  expect(await evaluationState(farm, evaluation)).toBe("Failed");
}

async function messagesOf(evaluation: string) {
  const rows = await scene.farm.database.kysely
    .selectFrom("evaluation_messages")
    .select(["level", "text"])
    .where("evaluation_id", "=", evaluation)
    .execute();
  return rows;
}

test("what failed before is not built again where the organization says so, and the evaluation tells it", async () => {
  const { farm, worker } = scene;
  await switchOn("reuse_build_failures");
  const bad = makeDerivation("bad");
  const next = makeDerivation("next", { inputs: [bad] });
  const fine = makeDerivation("fine");
  await fail(bad, "build_failed", [next]);
  const evaluation = await evaluate(scene, [next, fine], [bad]);
  const offer = await worker.takeOffer("build");
  expect(offer.spec).toMatchObject({ drvPath: fine.path });
  await reportBuilt(worker, offer, fine);
  await worker.next("ack");
  expect(await evaluationState(farm, evaluation)).toBe("Failed");
  expect(await buildStates(farm)).toEqual({
    bad: "FailedPermanent",
    fine: "Completed",
    next: "DependencyFailed",
  });
  expect(await messagesOf(evaluation)).toEqual([
    {
      level: "Notice",
      text: `${bad.path} is not built again: it failed as build 1 (exit code 1)`,
    },
  ]);
  const reused = await farm.database.kysely
    .selectFrom("evaluation_builds")
    .select("reused_attempt")
    .where("evaluation_id", "=", evaluation)
    .where("reused_attempt", "is not", null)
    .execute();
  expect(reused).toEqual([{ reused_attempt: 1 }]);
});

test("without the setting it has another chance", async () => {
  const bad = makeDerivation("bad");
  await fail(bad, "build_failed");
  await evaluate(scene, [bad]);
  expect((await scene.worker.takeOffer("build")).spec).toMatchObject({ drvPath: bad.path });
});

test("failures and timeouts are switched by themselves", async () => {
  const slow = makeDerivation("slow");
  await fail(slow, "timeout");
  await switchOn("reuse_build_failures");
  await evaluate(scene, [slow]);
  scene.worker.sendResult(await scene.worker.takeOffer("build"), { outcome: "timeout" });
  await scene.worker.next("ack");
  await switchOn("reuse_build_timeouts");
  const evaluation = await evaluate(scene, [slow]);
  expect(await evaluationState(scene.farm, evaluation)).toBe("Failed");
  expect(await buildStates(scene.farm)).toEqual({ slow: "FailedTimeout" });
});

test("whoever starts an evaluation may say otherwise, and a restart of what failed is always one", async () => {
  const { farm, worker, organization } = scene;
  await switchOn("reuse_build_failures");
  const bad = makeDerivation("bad");
  await fail(bad, "build_failed");
  await farm.farm.evaluations.restartFailed(organization.project);
  worker.sendResult(await worker.takeOffer("build"), { outcome: "build_failed" });
  await worker.next("ack");
  const settings = { reusesFailures: false, reusesTimeouts: null, keepsRunning: null };
  await evaluate(scene, [bad], [], undefined, settings);
  expect((await worker.takeOffer("build")).spec).toMatchObject({ drvPath: bad.path });
});

test("a derivation that says itself what its failures are worth goes before everybody", async () => {
  await switchOn("reuse_build_failures");
  const flaky = makeDerivation("flaky", { env: { NIXBUILDNET_REUSE_BUILD_FAILURES: "0" } });
  const hopeless = makeDerivation("hopeless", { env: { NIXBUILDNET_REUSE_BUILD_TIMEOUTS: "1" } });
  await fail(flaky, "build_failed");
  await fail(hopeless, "timeout");
  await evaluate(scene, [flaky, hopeless]);
  expect((await scene.worker.takeOffer("build")).spec).toMatchObject({ drvPath: flaky.path });
  expect(await buildStates(scene.farm)).toMatchObject({ hopeless: "FailedTimeout" });
});

test("a build without a verdict is no failure that could be reused", async () => {
  await switchOn("reuse_build_failures");
  const broken = makeDerivation("broken");
  await fail(broken, "client_error");
  await evaluate(scene, [broken]);
  expect((await scene.worker.takeOffer("build")).spec).toMatchObject({ drvPath: broken.path });
});
