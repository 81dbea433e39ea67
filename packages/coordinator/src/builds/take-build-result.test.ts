import { SecretKey, usageRecordSchema, type Offer } from "@gradient/protocol";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  makeDerivation,
  makeOutput,
  makeSource,
  outputOf,
  type TestDerivation,
  type TestObject,
} from "../test-objects.test-support.ts";
import {
  buildStates,
  drvPathOf,
  evaluate,
  openScene,
  outputFor,
  reportBuilt,
  type Scene,
} from "../test-scene.test-support.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { expectOk } from "../test-worker.test-support.ts";

let scene: Scene;
let clock: ManualClock;

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

async function attempts() {
  return scene.farm.database.kysely
    .selectFrom("attempts")
    .select(["status", "message", "restart_of", "worker_id", "usage_json"])
    .orderBy("number")
    .execute();
}

async function visiblePaths(name: string): Promise<string[]> {
  const rows = await scene.farm.database.kysely
    .selectFrom("cache_paths")
    .select("path")
    .where("path", "like", `%-${name}`)
    .execute();
  return rows.map(({ path }) => path);
}

/** Sends one output as the whole result. */
async function report(offer: Offer, output: TestObject): Promise<void> {
  await expectOk(await scene.worker.uploadNar(offer.assignment, output));
  scene.worker.sendResult(offer, {
    outputs: [{ name: "out", facts: scene.worker.sign(output.facts) }],
  });
}

/** What a refused result leaves behind. */
async function refusal(name: string) {
  const { accepted, reason } = await scene.worker.next("ack");
  const [attempt] = await attempts();
  const states = await buildStates(scene.farm);
  return {
    accepted,
    reason,
    visible: await visiblePaths(name),
    status: attempt?.status,
    message: attempt?.message,
    state: states[name],
  };
}

function refusedBecause(reason: RegExp) {
  return {
    accepted: false,
    reason: expect.stringMatching(reason),
    visible: [],
    status: "internal_error",
    message: expect.stringMatching(reason),
    state: "FailedTransient",
  };
}

describe("a result is handled once", () => {
  test("the same result twice is one row and two equal answers", async () => {
    const { worker } = scene;
    const pkg = makeDerivation("pkg");
    await evaluate(scene, [pkg]);
    const offer = await worker.takeOffer();
    const output = await outputFor(pkg);
    await report(offer, output);
    worker.sendResult(offer, { outputs: [{ name: "out", facts: worker.sign(output.facts) }] });
    expect(await worker.next("ack")).toMatchObject({ accepted: true, reason: null });
    expect(await worker.next("ack")).toMatchObject({ accepted: true, reason: null });
    expect(await visiblePaths("pkg")).toHaveLength(1);
    expect((await attempts()).map(({ status }) => status)).toEqual(["built"]);
  });

  test("a result with a stale fencing number changes nothing", async () => {
    const { farm, worker } = scene;
    const pkg = makeDerivation("pkg");
    await evaluate(scene, [pkg]);
    const offer = await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    // Back without the assignment: it is lost, and given out again.
    await worker.connect();
    const again = await worker.takeOffer();
    expect(again.fencing).toBeGreaterThan(offer.fencing);
    await worker.settle();
    const output = await outputFor(pkg);
    await expectOk(await worker.uploadNar(again.assignment, output));
    worker.sendResult(offer, { outputs: [{ name: "out", facts: worker.sign(output.facts) }] });
    expect(await worker.next("ack")).toMatchObject({ fencing: offer.fencing, accepted: false });
    expect(await visiblePaths("pkg")).toEqual([]);
    expect(await buildStates(farm)).toEqual({ pkg: "Building" });
    await report(again, output);
    expect(await worker.next("ack")).toMatchObject({ fencing: again.fencing, accepted: true });
  });

  test("somebody else's fencing number is not accepted", async () => {
    const { farm, worker, organization } = scene;
    const pkg = makeDerivation("pkg");
    await evaluate(scene, [pkg]);
    const offer = await worker.takeOffer();
    await worker.settle();
    const other = await farm.addWorker(organization.id);
    await other.connect();
    other.sendResult(offer, { outcome: "build_failed", message: "sabotage" });
    expect(await other.next("ack")).toMatchObject({ accepted: false });
    expect(await buildStates(farm)).toEqual({ pkg: "Building" });
  });

  test("what a lost attempt measured is kept, and nothing else of it", async () => {
    const { worker } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    const offer = await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    await worker.connect();
    const usage = usageRecordSchema.parse({
      cpuQuality: "exact",
      memoryQuality: "none",
      wallMs: 5,
      cpuUserMs: 4,
      cpuSystemMs: 0,
      coresAverage: null,
      memoryPeakBytes: null,
      memoryRawPeakBytes: null,
      memoryLimitBytes: null,
      oomKills: null,
      cpuThrottledMs: null,
      ioReadBytes: null,
      ioWriteBytes: null,
      processesPeak: null,
      source: "cgroup2",
      series: [],
    });
    worker.sendResult(offer, { outcome: "build_failed", usage });
    await worker.next("ack");
    const [lost] = await attempts();
    expect(lost).toMatchObject({ status: "internal_error", usage_json: JSON.stringify(usage) });
  });
});

describe("nothing becomes visible that is not as claimed", () => {
  let pkg: TestDerivation;
  let offer: Offer;
  let input: TestDerivation;

  beforeEach(async () => {
    input = makeDerivation("input");
    pkg = makeDerivation("pkg", { inputs: [input] });
    await evaluate(scene, [pkg], [input]);
    const first = await scene.worker.takeOffer();
    await reportBuilt(scene.worker, first, input);
    await scene.worker.next("ack");
    offer = await scene.worker.takeOffer();
    await scene.farm.database.kysely.deleteFrom("attempts").where("number", "=", 1).execute();
  });

  test("a corrupted upload is refused and leaves no file", async () => {
    const output = await outputFor(pkg);
    const body = Buffer.from(output.body);
    const at = body.length - 20;
    body.writeUInt8(body.readUInt8(at) ^ 1, at);
    const before = await storedFiles();
    const response = await scene.worker.uploadNar(offer.assignment, { ...output, body });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: expect.stringMatching(/nar|zstd/) });
    expect(await storedFiles()).toEqual(before);
    scene.worker.sendResult(offer, {
      outputs: [{ name: "out", facts: scene.worker.sign(output.facts) }],
    });
    expect(await refusal("pkg")).toEqual(refusedBecause(/was not uploaded/));
  });

  test("a reference that does not occur in the bytes is refused", async () => {
    const output = await makeOutput(outputOf(pkg));
    const facts = { ...output.facts, references: [outputOf(input)] };
    await report(offer, { ...output, facts });
    expect(await refusal("pkg")).toEqual(
      refusedBecause(/claims to refer to .*-input, which does not occur in it/),
    );
  });

  test("a reference to an input that is not claimed is refused", async () => {
    await report(offer, await makeOutput(outputOf(pkg), { mention: [outputOf(input)] }));
    expect(await refusal("pkg")).toEqual(refusedBecause(/refers to .*-input and does not say so/));
  });

  test("a reference to itself has to be claimed", async () => {
    await report(offer, await makeOutput(outputOf(pkg), { mention: [outputOf(pkg)] }));
    expect(await refusal("pkg")).toEqual(refusedBecause(/refers to .*-pkg and does not say so/));
  });

  test("the same goes for an archive with too many possible references to keep them", async () => {
    const noise = Array.from({ length: 6000 }, (_, n) => n.toString(2).padStart(32, "0"));
    const hidden = await makeOutput(outputOf(pkg), { mention: [...noise, outputOf(input)] });
    await report(offer, hidden);
    expect(await refusal("pkg")).toEqual(refusedBecause(/refers to .*-input and does not say so/));
  });

  test("what merely looks like a reference, or is none of the build's inputs, need not be claimed", async () => {
    const stranger = await makeSource("stranger", "not an input");
    await scene.worker.uploadSources(offer.assignment, stranger);
    const mention = ["0".repeat(32), stranger.facts.path];
    await report(offer, await makeOutput(outputOf(pkg), { mention }));
    expect(await scene.worker.next("ack")).toMatchObject({ accepted: true });
  });

  test("a signature of another key, or of other facts, is refused", async () => {
    const { worker } = scene;
    const output = await outputFor(pkg);
    await expectOk(await worker.uploadNar(offer.assignment, output));
    const own = worker.key;
    worker.key = SecretKey.generate(own.keyName);
    const facts = worker.sign(output.facts);
    worker.key = own;
    worker.sendResult(offer, { outputs: [{ name: "out", facts }] });
    expect(await refusal("pkg")).toEqual(refusedBecause(/is not signed by the worker's key/));
  });

  test("another path than the derivation's output is refused", async () => {
    await report(offer, await makeOutput(outputOf(input)));
    expect(await refusal("pkg")).toEqual(
      refusedBecause(/output 'out' of .* is .*-pkg, not .*-input/),
    );
  });

  test("a missing output is refused", async () => {
    scene.worker.sendResult(offer, { outputs: [] });
    expect(await refusal("pkg")).toEqual(
      refusedBecause(/the outputs of .* are out; the result has none/),
    );
  });

  test("another size than that of the archive is refused", async () => {
    const output = await outputFor(pkg);
    const facts = { ...output.facts, narSize: output.facts.narSize + 8 };
    await expectOk(await scene.worker.uploadNar(offer.assignment, output));
    scene.worker.sendResult(offer, { outputs: [{ name: "out", facts: scene.worker.sign(facts) }] });
    expect(await refusal("pkg")).toEqual(refusedBecause(/has \d+ bytes, not \d+/));
  });

  async function storedFiles(): Promise<string[]> {
    return readdir(join(scene.farm.dataDir, "nar"), { recursive: true });
  }
});

describe("verdicts", () => {
  test("a failed build ends everything that waits for it, and the evaluation", async () => {
    const { farm, worker } = scene;
    const bad = makeDerivation("bad");
    const next = makeDerivation("next", { inputs: [bad] });
    const far = makeDerivation("far", { inputs: [next] });
    const fine = makeDerivation("fine");
    const evaluation = await evaluate(scene, [far, fine], [bad, next]);
    const offers = [await worker.takeOffer(), await worker.takeOffer()];
    for (const offer of offers) {
      const isBad = offer.spec.kind === "build" && offer.spec.drvPath === bad.path;
      if (isBad) worker.sendResult(offer, { outcome: "build_failed", message: "exit code 1" });
      else await reportBuilt(worker, offer, fine);
      await worker.next("ack");
    }
    expect(await buildStates(farm)).toEqual({
      bad: "FailedPermanent",
      next: "DependencyFailed",
      far: "DependencyFailed",
      fine: "Completed",
    });
    const row = await farm.database.kysely
      .selectFrom("evaluations")
      .selectAll()
      .where("id", "=", evaluation)
      .executeTakeFirst();
    expect(row).toMatchObject({ state: "Failed", unfinished_builds: 0 });
    expect(worker.pending("offer")).toBe(0);
  });

  test("a build that failed has its times", async () => {
    const { farm, worker } = scene;
    await evaluate(scene, [makeDerivation("bad")]);
    const times = { acceptedAt: 1000, startedAt: 1001, stoppedAt: 1005, uploadedAt: null };
    worker.sendResult(await worker.takeOffer(), { outcome: "build_failed", times });
    await worker.next("ack");
    const row = await farm.database.kysely.selectFrom("builds").selectAll().executeTakeFirst();
    expect(row).toMatchObject({ started_at: 1001, stopped_at: 1005, stored_at: null });
  });

  test("timeouts and lack of memory are told apart", async () => {
    const { farm, worker } = scene;
    // It has all that it allows itself.
    const big = makeDerivation("big", { env: { NIXBUILDNET_MAX_MEM: "100" } });
    await evaluate(scene, [makeDerivation("slow"), big]);
    for (const offer of [await worker.takeOffer(), await worker.takeOffer()]) {
      const outcome = drvPathOf(offer) === big.path ? "out_of_memory" : "timeout";
      worker.sendResult(offer, { outcome });
      await worker.next("ack");
    }
    expect((await attempts()).map(({ status }) => status).toSorted()).toEqual([
      "max_memory_exceeded",
      "timeout",
    ]);
    expect(Object.values(await buildStates(farm)).toSorted()).toEqual([
      "FailedPermanent",
      "FailedTimeout",
    ]);
  });

  test("an attempt that ran out of memory is followed by one with twice as much, up to the largest worker", async () => {
    const { farm, worker, organization } = scene;
    const gibibyte = 2 ** 30;
    await evaluate(scene, [makeDerivation("hungry")]);
    // Two builds at once in one gibibyte: half of it was meant for each.
    const first = await worker.takeOffer();
    expect(first.spec).toMatchObject({ limits: { memoryBytes: null } });
    worker.sendResult(first, { outcome: "out_of_memory", message: "no memory left" });
    const second = await worker.takeOffer();
    expect(second.spec).toMatchObject({ limits: { memoryBytes: gibibyte } });
    const large = await farm.addWorker(organization.id);
    await large.connect({ memoryBytes: 3 * gibibyte });
    worker.sendResult(second, { outcome: "out_of_memory" });
    for (const memoryBytes of [2 * gibibyte, 3 * gibibyte]) {
      const offer = await large.takeOffer();
      expect(offer.spec).toMatchObject({ limits: { memoryBytes } });
      large.sendResult(offer, { outcome: "out_of_memory" });
      await large.next("ack");
    }
    const all = await attempts();
    expect(all.map(({ status }) => status)).toEqual([
      ...Array(3).fill("out_of_memory"),
      "max_memory_exceeded",
    ]);
    expect(all.map(({ restart_of }) => restart_of)).toEqual([null, 1, 2, 3]);
    expect(await buildStates(farm)).toEqual({ hungry: "FailedPermanent" });
    expect(worker.pending("offer") + large.pending("offer")).toBe(0);
  });

  test("an attempt after one with more memory that was lost has that memory too", async () => {
    const { worker } = scene;
    await evaluate(scene, [makeDerivation("hungry")]);
    worker.sendResult(await worker.takeOffer(), { outcome: "out_of_memory" });
    await worker.takeOffer();
    await worker.settle();
    await worker.drop();
    await worker.connect();
    const again = await worker.takeOffer();
    expect(again.spec).toMatchObject({ limits: { memoryBytes: 2 ** 30 } });
  });

  test("an attempt without a verdict is followed by two more, each after a longer wait, then the build fails", async () => {
    const { farm, worker } = scene;
    await evaluate(scene, [makeDerivation("pkg")]);
    for (const waitMs of [30_000, 60_000]) {
      worker.sendResult(await worker.takeOffer(), {
        outcome: "internal_error",
        message: "disk full",
      });
      await worker.next("ack");
      expect(await buildStates(farm)).toEqual({ pkg: "FailedTransient" });
      await clock.advance(waitMs - 2000);
      await worker.settle();
      expect(worker.pending("offer")).toBe(0);
      await clock.advance(3000);
    }
    worker.sendResult(await worker.takeOffer(), {
      outcome: "internal_error",
      message: "disk full",
    });
    await worker.next("ack");
    expect(await buildStates(farm)).toEqual({ pkg: "FailedPermanent" });
    const all = await attempts();
    expect(all.map(({ status }) => status)).toEqual(Array(3).fill("internal_error"));
    expect(all.map(({ restart_of }) => restart_of !== null)).toEqual([false, true, true]);
    const build = await farm.database.kysely
      .selectFrom("builds")
      .select("message")
      .executeTakeFirst();
    expect(build?.message).toBe("given up after 3 attempts: disk full");
  });

  test("inputs that no cache has any more are built again, then the build", async () => {
    const { farm, worker, organization } = scene;
    const input = makeDerivation("input");
    const pkg = makeDerivation("pkg", { inputs: [input] });
    await evaluate(scene, [pkg], [input]);
    await reportBuilt(worker, await worker.takeOffer(), input);
    await worker.next("ack");
    const offer = await worker.takeOffer();
    await worker.settle();
    await farm.database.kysely
      .deleteFrom("cache_paths")
      .where("cache_id", "=", organization.cache)
      .where("path", "like", "%-input")
      .execute();
    worker.sendResult(offer, {
      outcome: "internal_error",
      message: "no input",
      missingInputs: [outputOf(input)],
    });
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    expect(await buildStates(farm)).toEqual({ input: "Queued", pkg: "Created" });
    await reportBuilt(worker, await worker.takeOffer(), input);
    await worker.next("ack");
    await reportBuilt(worker, await worker.takeOffer(), pkg, [input]);
    await worker.next("ack");
    expect(await buildStates(farm)).toEqual({ input: "Completed", pkg: "Completed" });
  });
});
