import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { countUnfinishedBuilds } from "../db/evaluation-build-repository.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import type { TriggeredStart } from "../ports.ts";
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

const HEAD = "b".repeat(40);

let scene: Scene;
let clock: ManualClock;

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
});
afterEach(() => scene[Symbol.asyncDispose]());

async function setPolicy(concurrency: "hard_abort" | "soft_abort" | "all" | "skip") {
  await scene.farm.database.kysely.updateTable("projects").set({ concurrency }).execute();
}

function trigger(change: Partial<TriggeredStart> = {}) {
  return scene.farm.farm.evaluations.startTriggered({
    projectId: scene.organization.project,
    trigger: { id: uuidv7(), type: "polling" },
    revision: HEAD,
    reference: "refs/heads/main",
    ...change,
  });
}

/** An evaluation of which one build runs, and another waits for it. */
async function running(): Promise<{ id: string; first: TestDerivation; second: TestDerivation }> {
  const first = makeDerivation("first");
  const second = makeDerivation("second", { inputs: [first] });
  const id = await evaluate(scene, [second], [first]);
  return { id, first, second };
}

describe("while an evaluation is active", () => {
  test("skip starts nothing, and starts when it is over", async () => {
    await setPolicy("skip");
    const { id } = await running();
    await scene.worker.takeOffer("build");
    expect(await trigger()).toEqual({ outcome: "concurrency" });
    expect(await evaluationState(scene.farm, id)).toBe("Building");
    await scene.farm.farm.evaluations.abort(id);
    expect(await trigger()).toMatchObject({ outcome: "created" });
  });

  test("all lets both run", async () => {
    await setPolicy("all");
    const { id } = await running();
    await scene.worker.takeOffer("build");
    const started = await trigger();
    expect(started).toMatchObject({ outcome: "created" });
    expect(await evaluationState(scene.farm, id)).toBe("Building");
    expect((await scene.worker.takeOffer()).spec).toMatchObject({
      kind: "fetch",
      commit: HEAD,
      reference: "refs/heads/main",
    });
  });

  test("hard_abort ends it with what runs of it", async () => {
    await setPolicy("hard_abort");
    const { id } = await running();
    const offer = await scene.worker.takeOffer("build");
    await scene.worker.settle();
    expect(await trigger()).toMatchObject({ outcome: "created" });
    expect(await evaluationState(scene.farm, id)).toBe("Aborted");
    expect(await scene.worker.next("cancel")).toMatchObject({ fencing: offer.fencing });
    expect(await buildStates(scene.farm)).toEqual({ first: "Aborted", second: "Aborted" });
  });

  test("soft_abort ends it, lets what runs finish, keeps what that brings, and starts nothing new", async () => {
    await setPolicy("soft_abort");
    const { id, first } = await running();
    const offer = await scene.worker.takeOffer("build");
    expect(drvPathOf(offer)).toBe(first.path);
    await scene.worker.settle();
    expect(await trigger()).toMatchObject({ outcome: "created" });
    expect(await evaluationState(scene.farm, id)).toBe("Aborted");
    expect(scene.worker.pending("cancel")).toBe(0);
    expect(await buildStates(scene.farm)).toEqual({ first: "Building", second: "Aborted" });
    await reportBuilt(scene.worker, offer, first);
    expect(await scene.worker.next("ack")).toMatchObject({ accepted: true });
    expect(await buildStates(scene.farm)).toEqual({ first: "Completed", second: "Aborted" });
    expect((await scene.worker.takeOffer()).spec.kind).toBe("fetch");
    await scene.worker.settle();
    expect(scene.worker.pending("offer")).toBe(0);
  });

  test("what soft_abort left running is not tried again for nobody", async () => {
    await setPolicy("soft_abort");
    await running();
    const offer = await scene.worker.takeOffer("build");
    await scene.worker.settle();
    await trigger();
    scene.worker.sendResult(offer, { outcome: "internal_error", message: "the disk is full" });
    await scene.worker.next("ack");
    expect(await buildStates(scene.farm)).toMatchObject({ first: "FailedTransient" });
    await clock.advance(60_000);
    expect(await buildStates(scene.farm)).toMatchObject({ first: "Aborted" });
  });

  test("what another evaluation needs goes on, whatever the policy", async () => {
    await setPolicy("hard_abort");
    const { first } = await running();
    await scene.worker.takeOffer("build");
    const other = await scene.farm.addProject(scene.organization.id);
    await evaluate(scene, [first], [], other);
    await trigger();
    expect(await buildStates(scene.farm)).toEqual({ first: "Building", second: "Aborted" });
    expect(scene.worker.pending("cancel")).toBe(0);
  });

  test("a pull request neither ends nor waits for what a branch brings, and only the newest of it runs", async () => {
    await setPolicy("hard_abort");
    const { id } = await running();
    await scene.worker.takeOffer("build");
    const pullRequest = { number: 7, author: "ann", needsApproval: false };
    const older = await trigger({ pullRequest });
    expect(await evaluationState(scene.farm, id)).toBe("Building");
    const newer = await trigger({ pullRequest, revision: "c".repeat(40) });
    expect([older.outcome, newer.outcome]).toEqual(["created", "created"]);
    const states = await scene.farm.database.kysely
      .selectFrom("evaluations")
      .select(["pr_number", "state"])
      .orderBy("id")
      .execute();
    expect(states).toEqual([
      { pr_number: null, state: "Building" },
      { pr_number: 7, state: "Aborted" },
      { pr_number: 7, state: "Queued" },
    ]);
  });
});

describe("the same commit", () => {
  test("starts nothing twice, unless the trigger is of another kind or it is asked for", async () => {
    await setPolicy("all");
    expect(await trigger()).toMatchObject({ outcome: "created" });
    expect(await trigger()).toEqual({ outcome: "same_commit" });
    expect(await trigger({ repeats: "allowed" })).toMatchObject({ outcome: "created" });
    const pullRequest = { number: 1, author: "ann", needsApproval: false };
    expect(await trigger({ pullRequest })).toMatchObject({ outcome: "created" });
    expect(await trigger({ pullRequest })).toEqual({ outcome: "same_commit" });
  });

  test("of an inactive project starts nothing", async () => {
    await scene.farm.database.kysely.updateTable("projects").set({ active: 0 }).execute();
    expect(await trigger()).toEqual({ outcome: "inactive" });
  });
});

describe("approval", () => {
  const pullRequest = { number: 12, author: "mallory", needsApproval: true };

  function waiting(id: string) {
    return scene.farm.database.kysely
      .selectFrom("evaluations")
      .select(["state", "waiting_reason_json", "approved_by"])
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
  }

  async function startForeign(revision = HEAD): Promise<string> {
    const started = await trigger({ pullRequest, revision });
    if (started.outcome !== "created") throw new Error(started.outcome);
    return started.evaluation;
  }

  test("nothing of a stranger's pull request runs before somebody has allowed it", async () => {
    const { farm, worker } = scene;
    const id = await startForeign();
    await clock.advance(10_000);
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    const { state, waiting_reason_json } = await waiting(id);
    expect([state, JSON.parse(waiting_reason_json ?? "null")]).toEqual([
      "Waiting",
      { kind: "approval", pr_number: 12, pr_author: "mallory" },
    ]);
    // Also not after the coordinator was started anew.
    await farm.stop();
    await farm.start();
    await worker.connect();
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);

    await farm.farm.evaluations.approve(id, "alice");
    expect((await worker.takeOffer()).spec).toMatchObject({ kind: "fetch", commit: HEAD });
    expect(await waiting(id)).toMatchObject({ approved_by: "alice" });
    await expect(farm.farm.evaluations.approve(id, "alice")).rejects.toMatchObject({ status: 400 });
  });

  test("a newer commit takes the place of one that nobody has allowed, and has to be allowed itself", async () => {
    const older = await startForeign();
    const newer = await startForeign("c".repeat(40));
    expect((await waiting(older)).state).toBe("Aborted");
    expect((await waiting(newer)).state).toBe("Waiting");
    await expect(scene.farm.farm.evaluations.approve(older, "alice")).rejects.toMatchObject({
      status: 400,
    });
  });

  test("it does not keep anybody from evaluating the branch", async () => {
    await startForeign();
    const { project: projectId } = scene.organization;
    await setPolicy("skip");
    expect(await trigger({ revision: "d".repeat(40) })).toMatchObject({ outcome: "created" });
    await expect(
      scene.farm.farm.evaluations.start({ projectId, triggeredBy: null }),
    ).rejects.toMatchObject({ status: 409 });
  });

  test("a pull request that is closed ends what waits of it", async () => {
    const id = await startForeign();
    await scene.farm.farm.evaluations.abortPullRequest(scene.organization.project, 12);
    expect((await waiting(id)).state).toBe("Aborted");
  });
});

describe("restarting what failed", () => {
  test("the last evaluation goes on with its failed builds, and fetches and evaluates nothing", async () => {
    const { farm, worker, organization } = scene;
    const { id, first, second } = await running();
    worker.sendResult(await worker.takeOffer("build"), { outcome: "build_failed", message: "no" });
    await worker.next("ack");
    expect(await evaluationState(farm, id)).toBe("Failed");
    expect(await buildStates(farm)).toEqual({
      first: "FailedPermanent",
      second: "DependencyFailed",
    });

    expect(await farm.farm.evaluations.restartFailed(organization.project)).toBe(id);
    expect(await evaluationState(farm, id)).toBe("Building");
    expect(await countUnfinishedBuilds(farm.database.kysely, id)).toBe(2);
    await reportBuilt(worker, await worker.takeOffer(), first);
    await worker.next("ack");
    await reportBuilt(worker, await worker.takeOffer(), second, [first]);
    await worker.next("ack");
    expect(await evaluationState(farm, id)).toBe("Completed");
  });

  test("an aborted evaluation goes on where it was", async () => {
    const { farm, worker, organization } = scene;
    const { id, first } = await running();
    const offer = await worker.takeOffer("build");
    await farm.farm.evaluations.abort(id);
    worker.sendResult(offer, { outcome: "cancelled", message: "cancelled" });
    await worker.next("ack");
    await farm.farm.evaluations.restartFailed(organization.project);
    const again = await worker.takeOffer("build");
    expect(drvPathOf(again)).toBe(first.path);
    expect(await countUnfinishedBuilds(farm.database.kysely, id)).toBe(2);
    const { unfinished_builds } = await farm.database.kysely
      .selectFrom("evaluations")
      .select("unfinished_builds")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    expect(unfinished_builds).toBe(2);
  });

  test("there has to be something to restart", async () => {
    const { farm, organization } = scene;
    const restart = () => farm.farm.evaluations.restartFailed(organization.project);
    await expect(restart()).rejects.toMatchObject({ status: 400 });
    const { id, first, second } = await running();
    await expect(restart()).rejects.toMatchObject({ status: 409 });
    await reportBuilt(scene.worker, await scene.worker.takeOffer(), first);
    await scene.worker.next("ack");
    await reportBuilt(scene.worker, await scene.worker.takeOffer(), second, [first]);
    await scene.worker.next("ack");
    expect(await evaluationState(farm, id)).toBe("Completed");
    await expect(restart()).rejects.toMatchObject({ status: 400 });
  });
});
