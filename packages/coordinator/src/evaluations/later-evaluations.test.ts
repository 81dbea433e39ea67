import { derivationStorePath, formatDerivation } from "@gradient/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeDerivation, type TestDerivation } from "../test-objects.test-support.ts";
import {
  buildStates,
  drvPathOf,
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

async function fail(): Promise<void> {
  const { worker } = scene;
  worker.sendResult(await worker.takeOffer("build"), { outcome: "build_failed" });
  await worker.next("ack");
}

test("what was given up is built for a later evaluation", async () => {
  const { farm, worker } = scene;
  const pkg = makeDerivation("pkg");
  const given = await evaluate(scene, [pkg]);
  const offer = await worker.takeOffer("build");
  await farm.farm.evaluations.abort(given);
  await worker.next("cancel");
  worker.sendResult(offer, { outcome: "cancelled" });
  await worker.next("ack");
  expect(await buildStates(farm)).toEqual({ pkg: "Aborted" });
  const later = await evaluate(scene, [pkg]);
  await reportBuilt(worker, await worker.takeOffer("build"), pkg);
  await worker.next("ack");
  expect(await evaluationState(farm, later)).toBe("Completed");
});

test("what failed is tried before what waits for it, in a later evaluation as well", async () => {
  const { farm, worker } = scene;
  const input = makeDerivation("input");
  const pkg = makeDerivation("pkg", { inputs: [input] });
  for (let time = 0; time < 2; time += 1) {
    const evaluation = await evaluate(scene, [pkg], [input]);
    await fail();
    expect(await evaluationState(farm, evaluation)).toBe("Failed");
    expect(await buildStates(farm)).toEqual({ input: "FailedPermanent", pkg: "DependencyFailed" });
  }
  const attempts = await farm.database.kysely.selectFrom("attempts").select("status").execute();
  expect(attempts).toEqual([{ status: "build_failed" }, { status: "build_failed" }]);
  expect(worker.pending("offer")).toBe(0);
});

/** Another derivation that makes the same output, as fixed outputs are made. */
function twinOf({ derivation, outputs }: TestDerivation, name: string): TestDerivation {
  const twin = { ...derivation, env: new Map([["name", name]]) };
  const bytes = formatDerivation(twin);
  const path = derivationStorePath(`${name}.drv`, twin, bytes);
  return { path, bytes, derivation: twin, outputs };
}

test("of two derivations that make the same output each is waited for by its own dependents", async () => {
  const { farm, worker } = scene;
  const one = makeDerivation("one");
  const other = twinOf(one, "other");
  const [first, second] = [one, other].map((input) =>
    makeDerivation(`uses-${String(input.derivation.env.get("name"))}`, { inputs: [input] }),
  );
  if (first === undefined || second === undefined) throw new Error("there are two");
  const evaluation = await evaluate(scene, [first, second], [one, other]);
  const order: string[] = [];
  for (let count = 0; count < 4; count += 1) {
    const offer = await worker.takeOffer("build");
    const built = [one, other, first, second].find(({ path }) => path === drvPathOf(offer));
    if (built === undefined) throw new Error("an unknown derivation was offered");
    order.push(String(built.derivation.env.get("name")));
    await reportBuilt(worker, offer, built, built === first || built === second ? [one] : []);
    await worker.next("ack");
  }
  expect(order.indexOf("uses-one")).toBeGreaterThan(order.indexOf("one"));
  expect(order.indexOf("uses-other")).toBeGreaterThan(order.indexOf("other"));
  expect(await evaluationState(farm, evaluation)).toBe("Completed");
});
