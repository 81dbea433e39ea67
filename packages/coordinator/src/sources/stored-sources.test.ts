import { fixedOutputStorePath, hashBytes } from "@gradient/protocol";
import { expect, test } from "vitest";
import {
  evaluationState,
  finishEvaluation,
  openScene,
  type Scene,
} from "../test-scene.test-support.ts";
import { makeDerivation, narOfText } from "../test-objects.test-support.ts";
import type { SourceEvaluation } from "../ports.ts";

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function startSource(
  { farm: { farm }, organization }: Scene,
  nar: Buffer,
  change: Partial<SourceEvaluation> = {},
): Promise<string> {
  const { evaluation } = await farm.sources.evaluate({
    source: await farm.sources.store(organization.id, once(nar)),
    project: "build-request",
    wildcard: "hello",
    inputOverrides: [],
    triggeredBy: "somebody",
    record: () => Promise.resolve(),
    ...change,
  });
  return evaluation;
}

test("a stored source is evaluated without a fetch, from the path that its contents make", async () => {
  await using scene = await openScene();
  const { farm, worker } = scene;
  const nar = await narOfText("tree");
  const evaluation = await startSource(scene, nar);
  const offer = await worker.takeOffer("eval");
  const hash = hashBytes("sha256", nar);
  const source = fixedOutputStorePath("source", { method: "recursive", hash });
  expect(offer.spec).toEqual({
    kind: "eval",
    evaluation,
    source,
    pattern: "hello",
    timeoutSeconds: expect.any(Number),
  });
  const job = makeDerivation("hello");
  await worker.uploadDerivations(offer.assignment, job);
  worker.sendJobs(offer, [{ outcome: "derivation", attribute: ["hello"], drvPath: job.path }]);
  await worker.next("eval-ack");
  finishEvaluation(worker, offer, 1);
  await worker.next("ack");
  expect((await worker.takeOffer("build")).spec).toMatchObject({ drvPath: job.path });
  expect(await evaluationState(farm, evaluation)).toBe("Building");
});

test("other inputs are a matter for workers that know how", async () => {
  await using scene = await openScene();
  const { farm, organization, worker } = scene;
  const inputOverrides = [{ input: "nixpkgs", url: "github:NixOS/nixpkgs" }];
  const evaluation = await startSource(scene, await narOfText("tree"), { inputOverrides });
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  expect(await evaluationState(farm, evaluation)).toBe("Waiting");
  const able = await farm.addWorker(organization.id);
  await able.connect({ features: ["input-overrides"] });
  expect((await able.takeOffer("eval")).spec).toMatchObject({ inputOverrides });
  expect(worker.pending("offer")).toBe(0);
});

test("an input may be a path of the organization's own caches, and no other", async () => {
  await using scene = await openScene();
  const nar = await narOfText("input");
  await startSource(scene, nar);
  const hash = hashBytes("sha256", nar);
  const shown = fixedOutputStorePath("source", { method: "recursive", hash });
  const withInput = (path: string) => ({ inputOverrides: [{ input: "dep", url: `path:${path}` }] });
  await startSource(scene, await narOfText("tree"), withInput(shown));
  const foreign = `/nix/store/${"0".repeat(32)}-foreign`;
  await expect(
    startSource(scene, await narOfText("other"), withInput(foreign)),
  ).rejects.toMatchObject({ status: 400, message: expect.stringContaining(foreign) });
});

test("when what belongs to an evaluation cannot be recorded there is none, and the source stays hidden", async () => {
  await using scene = await openScene();
  const { kysely } = scene.farm.database;
  const failing = startSource(scene, await narOfText("tree"), {
    record: () => Promise.reject(new Error("no")),
  });
  await expect(failing).rejects.toThrow("no");
  for (const table of ["evaluations", "cache_paths", "commits"] as const) {
    expect(await kysely.selectFrom(table).selectAll().execute()).toEqual([]);
  }
});

test("an organization's first two sources at once share one project", async () => {
  await using scene = await openScene();
  await Promise.all([
    startSource(scene, await narOfText("one")),
    startSource(scene, await narOfText("two")),
  ]);
  const projects = await scene.farm.database.kysely
    .selectFrom("projects")
    .select(["name", "managed"])
    .where("name", "=", "build-request")
    .execute();
  expect(projects).toEqual([{ name: "build-request", managed: 1 }]);
});

test("the project of uploaded sources is not evaluated without one", async () => {
  await using scene = await openScene();
  const { farm, organization } = scene;
  await startSource(scene, await narOfText("tree"));
  const { id } = await farm.database.kysely
    .selectFrom("projects")
    .select("id")
    .where("organization_id", "=", organization.id)
    .where("name", "=", "build-request")
    .executeTakeFirstOrThrow();
  await expect(
    farm.farm.evaluations.start({ projectId: id, triggeredBy: null }),
  ).rejects.toMatchObject({ status: 409, message: expect.stringContaining("no repository") });
});
