import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NixbuildBuildView } from "../db/nixbuild-build-view.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { makeDerivation } from "../test-objects.test-support.ts";
import { evaluate, openScene, reportBuilt, type Scene } from "../test-scene.test-support.ts";

const HEAD = "b".repeat(40);

let scene: Scene;

beforeEach(async () => {
  scene = await openScene({ clock: new ManualClock() });
});
afterEach(() => scene[Symbol.asyncDispose]());

async function tagsOf(evaluation: string): Promise<Record<string, string>> {
  const rows = await scene.farm.database.kysely
    .selectFrom("evaluation_tags")
    .innerJoin("tags", "tags.id", "evaluation_tags.tag_id")
    .select(["name", "value"])
    .where("evaluation_id", "=", evaluation)
    .execute();
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

test("a trigger tags with what the forge calls it", async () => {
  const { evaluations } = scene.farm.farm;
  const { database, farm } = scene.farm;
  const repository = "git@github.com:acme/widgets.git";
  await database.kysely.updateTable("projects").set({ repository, concurrency: "all" }).execute();
  const start = (reference: string, number: number | null) =>
    evaluations.startTriggered({
      projectId: scene.organization.project,
      trigger: { id: uuidv7(), type: "reporter_push" },
      revision: HEAD,
      reference,
      repeats: "allowed",
      pullRequest: number === null ? null : { number, author: "eve", needsApproval: true },
    });
  const pushed = await start("refs/heads/main", null);
  const proposed = await start("refs/pull/7/head", 7);
  if (pushed.outcome !== "created" || proposed.outcome !== "created") throw new Error("refused");
  const REPOSITORY = "acme/widgets";
  const id = pushed.evaluation;
  expect(await tagsOf(id)).toEqual({ REPOSITORY, RUN: id, BRANCH: "main", COMMIT: HEAD });
  expect(await tagsOf(proposed.evaluation)).toEqual({
    REPOSITORY,
    RUN: proposed.evaluation,
    REF: "refs/pull/7/head",
    COMMIT: HEAD,
    PULL_REQUEST: "7",
  });
  await farm.evaluations.abort(id);
});

test("who starts an evaluation by hand may tag it", async () => {
  const id = await scene.farm.farm.evaluations.start({
    projectId: scene.organization.project,
    triggeredBy: null,
    tags: { GITHUB_RUN_ID: "77" },
  });
  expect(await tagsOf(id)).toEqual({ GITHUB_RUN_ID: "77" });
});

test("an attempt notes what it was given, what it made, and its derivation's tags", async () => {
  const { worker, farm } = scene;
  const app = makeDerivation("app", {
    env: { NIXBUILDNET_TAG_ID: "BENCH", NIXBUILDNET_MAX_CPU: "2", NIXBUILDNET_MAX_MEM: "512" },
  });
  await evaluate(scene, [app]);
  const offer = await worker.takeOffer("build");
  await reportBuilt(worker, offer, app);
  await worker.next("ack");
  const builds = new NixbuildBuildView(farm.database, {
    accounting: "measured",
    clock: new ManualClock(),
  });
  expect(builds.organizationOf(1)).toBe(scene.organization.id);
  expect(builds.build(1)).toMatchObject({
    status: "built",
    cpu_count: 2,
    allocated_megabytes: 512,
    tags: { ID: "BENCH" },
    outputs: [
      {
        name: "out",
        nar_hash: expect.stringMatching(/^sha256-[0-9A-Za-z+/]{43}=$/),
        nar_size_bytes: expect.any(Number),
      },
    ],
  });
});
