import type { EvaluatedJob } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { countUnfinishedBuilds } from "../db/evaluation-build-repository.ts";
import { queueEvaluation } from "./queue-evaluation.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { makeDerivation } from "../test-objects.test-support.ts";
import {
  buildStates,
  drvPathOf,
  evaluate,
  evaluationState,
  finishEvaluation,
  openScene,
  reportBuilt,
  startFetched,
  type Scene,
} from "../test-scene.test-support.ts";

let scene: Scene;
let clock: ManualClock;

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
});

afterEach(async () => {
  await checkCounters();
  await scene[Symbol.asyncDispose]();
});

/** The counters are what a count says, whatever happened. */
async function checkCounters(): Promise<void> {
  const { kysely } = scene.farm.database;
  const rows = await kysely
    .selectFrom("evaluations")
    .select(["id", "unfinished_builds"])
    .where("state", "!=", "Aborted")
    .execute();
  for (const { id, unfinished_builds } of rows) {
    const count = await countUnfinishedBuilds(kysely, id);
    if (count !== unfinished_builds) {
      throw new Error(
        `evaluation ${id} counts ${unfinished_builds} unfinished builds and has ${count}`,
      );
    }
  }
}

function messages(evaluation: string) {
  return scene.farm.database.kysely
    .selectFrom("evaluation_messages")
    .select(["level", "text", "attribute_json"])
    .where("evaluation_id", "=", evaluation)
    .orderBy("id")
    .execute();
}

async function waitingReason(evaluation: string): Promise<unknown> {
  const row = await scene.farm.database.kysely
    .selectFrom("evaluations")
    .select(["state", "waiting_reason_json"])
    .where("id", "=", evaluation)
    .executeTakeFirst();
  return row?.state === "Waiting" ? JSON.parse(row.waiting_reason_json ?? "null") : row?.state;
}

test("what another process has queued is given out when the farm is told of it", async () => {
  const { farm, worker, organization } = scene;
  const id = await queueEvaluation(farm.database, clock, organization.project);
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  await farm.farm.evaluations.queued(id);
  expect(await worker.takeOffer("fetch")).toMatchObject({ spec: { evaluation: id } });
});

describe("wanted builds", () => {
  test("two evaluations share one build, and both end with it", async () => {
    const { farm, worker, organization } = scene;
    const shared = makeDerivation("shared");
    const first = makeDerivation("first", { inputs: [shared] });
    const second = makeDerivation("second", { inputs: [shared] });
    const one = await evaluate(scene, [first], [shared]);
    const offer = await worker.takeOffer();
    expect(drvPathOf(offer)).toBe(shared.path);
    const two = await evaluate(scene, [second], [shared], await farm.addProject(organization.id));
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    await reportBuilt(worker, offer, shared);
    await worker.next("ack");
    for (let n = 0; n < 2; n++) {
      const next = await worker.takeOffer();
      await reportBuilt(worker, next, drvPathOf(next) === first.path ? first : second, [shared]);
      await worker.next("ack");
    }
    expect(await buildStates(farm)).toEqual({
      shared: "Completed",
      first: "Completed",
      second: "Completed",
    });
    expect(await evaluationState(farm, one)).toBe("Completed");
    expect(await evaluationState(farm, two)).toBe("Completed");
  });

  test("what a cache has is substituted, and makes nothing else wanted", async () => {
    const { farm, worker, organization } = scene;
    const lower = makeDerivation("lower");
    const upper = makeDerivation("upper", { inputs: [lower] });
    await evaluate(scene, [upper], [lower]);
    await reportBuilt(worker, await worker.takeOffer(), lower);
    await worker.next("ack");
    await reportBuilt(worker, await worker.takeOffer(), upper, [lower]);
    await worker.next("ack");
    // As if this organization had never asked for them.
    await farm.database.kysely.deleteFrom("builds").execute();
    const again = await evaluate(scene, [upper], [lower], await farm.addProject(organization.id));
    expect(await buildStates(farm)).toEqual({ upper: "Substituted" });
    expect(await evaluationState(farm, again)).toBe("Completed");
  });

  test("builds start while the evaluation still runs, and a batch that comes again changes nothing", async () => {
    const { farm, worker } = scene;
    const evaluation = await startFetched(scene);
    const offer = await worker.takeOffer();
    const pkg = makeDerivation("pkg");
    await worker.uploadDerivations(offer.assignment, pkg);
    const jobs: EvaluatedJob[] = [
      { outcome: "derivation", attribute: ["a", "b.c"], drvPath: pkg.path },
      { outcome: "error", attribute: ["bad"], error: "it throws" },
    ];
    for (let n = 0; n < 2; n++) {
      worker.sendJobs(offer, jobs, 0);
      expect(await worker.next("eval-ack")).toMatchObject({ sequence: 0 });
    }
    expect(await evaluationState(farm, evaluation)).toBe("EvaluatingDerivation");
    const build = await worker.takeOffer();
    expect(drvPathOf(build)).toBe(pkg.path);
    expect(await messages(evaluation)).toEqual([
      { level: "Error", text: "it throws", attribute_json: '["bad"]' },
    ]);
    finishEvaluation(worker, offer, 1);
    await worker.next("ack");
    await reportBuilt(worker, build, pkg);
    await worker.next("ack");
    expect(await evaluationState(farm, evaluation)).toBe("Failed");
    const rows = await farm.database.kysely.selectFrom("jobs").select("error").execute();
    expect(rows).toHaveLength(2);
  });

  test("a derivation that was never uploaded is an error of its attribute alone", async () => {
    const { farm, worker } = scene;
    const evaluation = await startFetched(scene);
    const offer = await worker.takeOffer();
    const { path } = makeDerivation("ghost");
    worker.sendJobs(offer, [{ outcome: "derivation", attribute: ["ghost"], drvPath: path }]);
    await worker.next("eval-ack");
    finishEvaluation(worker, offer, 1);
    await worker.next("ack");
    expect(await evaluationState(farm, evaluation)).toBe("Failed");
    const job = await farm.database.kysely.selectFrom("jobs").select("error").executeTakeFirst();
    expect(job?.error).toContain("never uploaded");
  });

  test("a new evaluation gives failed builds another chance, with a new attempt", async () => {
    const { farm, worker, organization } = scene;
    const bad = makeDerivation("bad");
    const next = makeDerivation("next", { inputs: [bad] });
    await evaluate(scene, [next], [bad]);
    worker.sendResult(await worker.takeOffer(), { outcome: "build_failed", message: "no" });
    await worker.next("ack");
    const again = await evaluate(scene, [next], [bad], await farm.addProject(organization.id));
    expect(await buildStates(farm)).toEqual({ bad: "Queued", next: "Created" });
    await reportBuilt(worker, await worker.takeOffer(), bad);
    await worker.next("ack");
    await reportBuilt(worker, await worker.takeOffer(), next, [bad]);
    await worker.next("ack");
    expect(await evaluationState(farm, again)).toBe("Completed");
    const attempts = await farm.database.kysely
      .selectFrom("attempts")
      .select(["status", "restart_of"])
      .execute();
    expect(attempts).toEqual([
      { status: "build_failed", restart_of: null },
      { status: "built", restart_of: null },
      { status: "built", restart_of: null },
    ]);
  });

  test("a build whose input has failed in the same evaluation ends at once", async () => {
    const { farm, worker } = scene;
    await startFetched(scene);
    const offer = await worker.takeOffer();
    const bad = makeDerivation("bad");
    const late = makeDerivation("late", { inputs: [bad] });
    await worker.uploadDerivations(offer.assignment, bad, late);
    worker.sendJobs(offer, [{ outcome: "derivation", attribute: ["bad"], drvPath: bad.path }], 0);
    worker.sendResult(await worker.takeOffer(), { outcome: "build_failed" });
    await worker.next("ack");
    worker.sendJobs(offer, [{ outcome: "derivation", attribute: ["late"], drvPath: late.path }], 1);
    await worker.next("eval-ack");
    await worker.settle();
    expect(await buildStates(farm)).toEqual({ bad: "FailedPermanent", late: "DependencyFailed" });
  });

  test("what has most waiting for it is built first", async () => {
    const { worker } = scene;
    await worker.drop();
    await worker.connect({ maxConcurrentBuilds: 0 });
    const leaf = makeDerivation("leaf");
    const base = makeDerivation("base");
    const middle = makeDerivation("middle", { inputs: [base] });
    const top = makeDerivation("top", { inputs: [middle] });
    await evaluate(scene, [leaf, top], [base, middle]);
    await worker.drop();
    await worker.connect({ maxConcurrentBuilds: 1 });
    expect(drvPathOf(await worker.takeOffer())).toBe(base.path);
  });

  test("a derivation that is missing batches is evaluated again", async () => {
    const { farm, worker } = scene;
    const evaluation = await startFetched(scene);
    finishEvaluation(worker, await worker.takeOffer(), 3);
    await worker.next("ack");
    expect(await evaluationState(farm, evaluation)).toBe("Queued");
    expect(await messages(evaluation)).toMatchObject([{ level: "Warning" }]);
    await clock.advance(31_000);
    expect((await worker.takeOffer()).spec.kind).toBe("eval");
  });
});

describe("abort", () => {
  test("cancels what only this evaluation needs: running builds are told, queued ones are withdrawn", async () => {
    const { farm, worker, organization } = scene;
    const running = makeDerivation("running");
    const shared = makeDerivation("shared");
    const waiting = makeDerivation("waiting", { inputs: [running] });
    const one = await evaluate(scene, [waiting, shared], [running]);
    const offers = [await worker.takeOffer(), await worker.takeOffer()];
    const two = await evaluate(scene, [shared], [], await farm.addProject(organization.id));
    await farm.farm.evaluations.abort(one);
    const cancelled = offers.find((offer) => drvPathOf(offer) === running.path);
    expect(await worker.next("cancel")).toMatchObject({ fencing: cancelled?.fencing });
    expect(await buildStates(farm)).toEqual({
      running: "Aborted",
      waiting: "Aborted",
      shared: "Building",
    });
    for (const offer of offers) {
      if (offer === cancelled) worker.sendResult(offer, { outcome: "cancelled" });
      else await reportBuilt(worker, offer, shared);
      await worker.next("ack");
    }
    expect(await evaluationState(farm, one)).toBe("Aborted");
    expect(await evaluationState(farm, two)).toBe("Completed");
    const attempts = await farm.database.kysely.selectFrom("attempts").select("status").execute();
    expect(attempts.map(({ status }) => status).toSorted()).toEqual(["built", "cancelled"]);
    // Harmless when it has ended.
    await farm.farm.evaluations.abort(one);
    expect(await evaluationState(farm, one)).toBe("Aborted");
  });

  test("a build that was not given out yet is withdrawn from the queue", async () => {
    const { farm, worker } = scene;
    await worker.drop();
    await worker.connect({ maxConcurrentBuilds: 0 });
    const evaluation = await evaluate(scene, [makeDerivation("pkg")]);
    await farm.farm.evaluations.abort(evaluation);
    await worker.drop();
    await worker.connect();
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    const attempts = await farm.database.kysely.selectFrom("attempts").select("status").execute();
    expect(attempts).toEqual([{ status: "cancelled" }]);
  });

  test("an aborted evaluation that is being evaluated takes no more jobs", async () => {
    const { farm, worker } = scene;
    const evaluation = await startFetched(scene);
    const offer = await worker.takeOffer();
    await worker.settle();
    await farm.farm.evaluations.abort(evaluation);
    expect(await worker.next("cancel")).toMatchObject({ fencing: offer.fencing });
    worker.sendJobs(offer, []);
    expect(await worker.next("cancel")).toMatchObject({ fencing: offer.fencing });
    finishEvaluation(worker, offer, 0);
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    expect(await evaluationState(farm, evaluation)).toBe("Aborted");
  });
});

describe("failures as a whole", () => {
  test("a fetch that cannot succeed ends the evaluation with its message", async () => {
    const { farm, worker, organization } = scene;
    const id = await farm.farm.evaluations.start({
      projectId: organization.project,
      triggeredBy: null,
    });
    const { assignment, fencing } = await worker.takeOffer();
    const failure = { message: "no such repository", isTransient: false };
    const result = { kind: "fetch", failure, commit: null, source: null, usage: null } as const;
    worker.send({ type: "result", assignment, fencing, result });
    await worker.next("ack");
    expect(await evaluationState(farm, id)).toBe("Failed");
    expect(await messages(id)).toMatchObject([{ level: "Error", text: "no such repository" }]);
  });

  test("a source that was not uploaded is no source", async () => {
    const { farm, worker, organization } = scene;
    const id = await farm.farm.evaluations.start({
      projectId: organization.project,
      triggeredBy: null,
    });
    const { assignment, fencing } = await worker.takeOffer();
    const source = `/nix/store/${"0".repeat(32)}-source`;
    const commit = { hash: "b".repeat(40), message: "", authorName: "", authorEmail: "" };
    const result = { kind: "fetch", failure: null, commit, source, usage: null } as const;
    worker.send({ type: "result", assignment, fencing, result });
    await worker.next("ack");
    expect((await messages(id))[0]?.text).toContain("is in no cache");
    expect(await evaluationState(farm, id)).toBe("Queued");
  });

  test("one evaluation of a project at a time", async () => {
    const { farm, organization } = scene;
    const request = { projectId: organization.project, triggeredBy: null };
    await farm.farm.evaluations.start(request);
    await expect(farm.farm.evaluations.start(request)).rejects.toMatchObject({ status: 409 });
    const nowhere = { projectId: uuidv7(), triggeredBy: null };
    await expect(farm.farm.evaluations.start(nowhere)).rejects.toMatchObject({ status: 404 });
  });
});

describe("waiting", () => {
  test("without a cache to write to an evaluation waits, and goes on when there is one", async () => {
    const { farm, worker, organization } = scene;
    const { kysely } = farm.database;
    await kysely.updateTable("caches").set({ active: 0 }).execute();
    const id = await farm.farm.evaluations.start({
      projectId: organization.project,
      triggeredBy: null,
    });
    expect(await waitingReason(id)).toEqual({ kind: "no_cache" });
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    await kysely.updateTable("caches").set({ active: 1 }).execute();
    await farm.farm.evaluations.cachesChanged(organization.id);
    expect((await worker.takeOffer()).spec.kind).toBe("fetch");
  });

  test("while a cache that it fills is full an evaluation waits for room", async () => {
    const { farm, worker, organization } = scene;
    const { kysely } = farm.database;
    await kysely.updateTable("caches").set({ max_storage_gb: 1 }).execute();
    const row = { cache_id: organization.cache, paths: 1, nar_bytes: 0, file_bytes: 1024 ** 3 };
    await kysely.insertInto("cache_totals").values(row).execute();
    const id = await farm.farm.evaluations.start({
      projectId: organization.project,
      triggeredBy: null,
    });
    expect(await waitingReason(id)).toEqual({ kind: "cache_storage_full" });
    await worker.settle();
    expect(worker.pending("offer")).toBe(0);
    await kysely.updateTable("cache_totals").set({ file_bytes: 10 }).execute();
    await farm.farm.reviewWaiting();
    expect((await worker.takeOffer()).spec.kind).toBe("fetch");
  });

  test("without a worker that fetches an evaluation waits for one", async () => {
    const { farm, worker, organization } = scene;
    await worker.drop();
    const capabilities = { fetch: false, eval: true, build: true };
    await worker.connect({ capabilities });
    const id = await farm.farm.evaluations.start({
      projectId: organization.project,
      triggeredBy: null,
    });
    expect(await waitingReason(id)).toEqual({
      kind: "eval_workers",
      capability: "fetch",
      connected_workers: 1,
    });
    await worker.drop();
    await worker.connect();
    expect((await worker.takeOffer()).spec.kind).toBe("fetch");
  });

  test("builds for a system that nobody has are told with system and features, and start when somebody comes", async () => {
    const { farm, worker } = scene;
    const env = { requiredSystemFeatures: "kvm big-parallel" };
    const pkg = makeDerivation("pkg", { system: "riscv64-linux", env });
    const id = await evaluate(scene, [pkg]);
    await clock.advance(10_000);
    expect(await waitingReason(id)).toEqual({
      kind: "workers",
      unmet: [
        {
          architecture: "riscv64-linux",
          required_features: ["big-parallel", "kvm"],
          build_count: 1,
        },
      ],
      connected_workers: 1,
      available_architectures: ["x86_64-linux"],
    });
    await worker.drop();
    await worker.connect({ systems: ["riscv64-linux"], systemFeatures: ["kvm", "big-parallel"] });
    await reportBuilt(worker, await worker.takeOffer(), pkg);
    await worker.next("ack");
    expect(await evaluationState(farm, id)).toBe("Completed");
  });

  test("a worker that is gone for a moment parks nothing", async () => {
    const { worker } = scene;
    const id = await evaluate(scene, [makeDerivation("pkg")]);
    await worker.drop();
    await clock.advance(1000);
    expect(await waitingReason(id)).toBe("Building");
  });
});
