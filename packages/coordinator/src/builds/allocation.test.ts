import { usageRecordSchema, type Offer, type UsageRecord } from "@gradient/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "../manual-clock.test-support.ts";
import { makeDerivation, type TestDerivation } from "../test-objects.test-support.ts";
import {
  buildStates,
  evaluate,
  evaluationState,
  openScene,
  outputFor,
  type Scene,
} from "../test-scene.test-support.ts";
import { expectOk, type TestWorker } from "../test-worker.test-support.ts";

const MEBIBYTE = 2 ** 20;
const GIBIBYTE = 2 ** 30;

let scene: Scene;
let clock: ManualClock;

/** Two builds at once on two cores and in one gibibyte: half of it is meant for each. */
beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

function usageOf(peakMegabytes: number, cores: number): UsageRecord {
  return usageRecordSchema.parse({
    cpuQuality: "exact",
    memoryQuality: "sampled",
    wallMs: 1000,
    cpuUserMs: 1000 * cores,
    cpuSystemMs: 0,
    coresAverage: cores,
    memoryPeakBytes: peakMegabytes * MEBIBYTE,
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
}

async function finish(
  offer: Offer,
  derivation: TestDerivation,
  usage: UsageRecord,
  worker: TestWorker = scene.worker,
): Promise<void> {
  const output = await outputFor(derivation);
  await expectOk(await worker.uploadNar(offer.assignment, output));
  const outputs = [{ name: "out", facts: worker.sign(output.facts) }];
  worker.sendResult(offer, { outputs, usage });
  await worker.next("ack");
}

/** Builds the first of a name, which then has a history. */
async function buildOnce(name: string, usage: UsageRecord): Promise<void> {
  const derivation = makeDerivation(`${name}-1.0`);
  await evaluate(scene, [derivation]);
  await finish(await scene.worker.takeOffer("build"), derivation, usage);
}

async function allocations() {
  return scene.farm.database.kysely
    .selectFrom("attempts")
    .select(["status", "message", "cpu_count", "allocated_bytes", "restart_of"])
    .orderBy("number")
    .execute();
}

test("a build gets what the last one of its name needed, and the build object shows it", async () => {
  await buildOnce("pkg", usageOf(300, 0.7));
  await evaluate(scene, [makeDerivation("pkg-1.1")]);
  const offer = await scene.worker.takeOffer("build");
  expect(offer.spec).toMatchObject({ limits: { memoryBytes: 512 * MEBIBYTE, cores: null } });
  expect(await allocations()).toMatchObject([
    { allocated_bytes: 512 * MEBIBYTE, cpu_count: 2 },
    { allocated_bytes: 512 * MEBIBYTE, cpu_count: 1 },
  ]);
});

test("the derivation's own bounds hold, whatever the history says", async () => {
  await buildOnce("pkg", usageOf(300, 0.7));
  const env = { NIXBUILDNET_MIN_CPU: "2", NIXBUILDNET_MAX_MEM: "400" };
  await evaluate(scene, [makeDerivation("pkg-1.1", { env })]);
  const offer = await scene.worker.takeOffer("build");
  expect(offer.spec).toMatchObject({ limits: { memoryBytes: 400 * MEBIBYTE } });
  const [, second] = await allocations();
  expect(second).toMatchObject({ allocated_bytes: 400 * MEBIBYTE, cpu_count: 2 });
});

test("another system, and another organization, have a history of their own", async () => {
  const { farm } = scene;
  await buildOnce("pkg", usageOf(600, 0.7));
  const other = await farm.addOrganization();
  const worker = await farm.addWorker(other.id);
  await worker.connect();
  await evaluate({ ...scene, organization: other, worker }, [makeDerivation("pkg-1.1")]);
  const offer = await worker.takeOffer("build");
  expect(offer.spec).toMatchObject({ limits: { memoryBytes: null } });
});

test("a build that would not fit beside what runs waits, also after a restart of the coordinator", async () => {
  const { worker } = scene;
  await buildOnce("large", usageOf(500, 0.7));
  const [first, second] = [makeDerivation("large-2"), makeDerivation("large-3")];
  await evaluate(scene, [first, second]);
  const offer = await worker.takeOffer("build");
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  // The other one of the second and the third attempt.
  const given = offer.spec.kind === "build" ? (offer.spec.attempt ?? 0) : 0;
  const { queue } = scene.farm.farm;
  expect([given, 5 - given].map((attempt) => queue.missingMemory(attempt))).toEqual([
    null,
    { neededBytes: 768 * MEBIBYTE, freeBytes: 256 * MEBIBYTE },
  ]);
  await worker.drop();
  await scene.farm.stop();
  await scene.farm.start();
  const { assignment, fencing } = offer;
  await worker.connect({ assignments: [{ assignment, fencing, state: "running" }] });
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  const running = offer.spec.kind === "build" && offer.spec.drvPath === first.path;
  await finish(offer, running ? first : second, usageOf(500, 0.7));
  await worker.takeOffer("build");
});

test("what ran out of memory is known of the next build of the name", async () => {
  const { farm, worker, organization } = scene;
  const large = await farm.addWorker(organization.id);
  const derivation = makeDerivation("hungry-1.0");
  await evaluate(scene, [derivation]);
  const first = await worker.takeOffer("build");
  worker.sendResult(first, { outcome: "out_of_memory", usage: usageOf(10, 1) });
  const second = await worker.takeOffer("build");
  expect(second.spec).toMatchObject({ limits: { memoryBytes: GIBIBYTE } });
  // Its short peak was not seen.
  await finish(second, derivation, usageOf(10, 1));
  await large.connect({ memoryBytes: 4 * GIBIBYTE, maxConcurrentBuilds: 8 });
  await evaluate(scene, [makeDerivation("hungry-1.1")]);
  const [next] = await Promise.any(
    [worker, large].map(async (each) => [await each.takeOffer("build")] as const),
  );
  expect(next.spec).toMatchObject({ limits: { memoryBytes: GIBIBYTE } });
  expect(await allocations()).toMatchObject([
    { status: "out_of_memory", restart_of: null },
    { status: "built", restart_of: 1, allocated_bytes: GIBIBYTE },
    { restart_of: null, allocated_bytes: GIBIBYTE },
  ]);
});

test("a queued build learns from another of its name that ends meanwhile", async () => {
  const { worker } = scene;
  await worker.drop();
  await worker.connect({ maxConcurrentBuilds: 1 });
  const [first, second, third] = ["1", "2", "3"].map((v) => makeDerivation(`pkg-${v}`));
  await evaluate(
    scene,
    [first, second, third].flatMap((each) => each ?? []),
  );
  const offer = await worker.takeOffer("build");
  const other = [first, second, third].find(
    (each) => offer.spec.kind === "build" && each?.path === offer.spec.drvPath,
  );
  const ahead = await worker.takeOffer("build");
  expect(ahead.spec).toMatchObject({ limits: { memoryBytes: null } });
  if (other !== undefined) await finish(offer, other, usageOf(200, 0.5));
  const last = await worker.takeOffer("build");
  expect(last.spec).toMatchObject({ limits: { memoryBytes: GIBIBYTE } });
  expect((await allocations()).map(({ allocated_bytes }) => allocated_bytes)).toContain(
    512 * MEBIBYTE,
  );
});

test("what a running build has used so far is told, also of one that is lost", async () => {
  const { farm, worker } = scene;
  await evaluate(scene, [makeDerivation("long")]);
  const { assignment, fencing } = await worker.takeOffer("build");
  const told = { cpuMs: 1500, memoryPeakBytes: 2048, storagePeakBytes: null };
  worker.send({ type: "usage", builds: [{ assignment, fencing, ...told }] });
  await worker.settle();
  const figures = () =>
    farm.database.kysely
      .selectFrom("attempts")
      .select(["status", "cpu_time_ms", "memory_peak_bytes", "storage_peak_bytes"])
      .orderBy("number")
      .executeTakeFirst();
  const soFar = { cpu_time_ms: 1500, memory_peak_bytes: 2048, storage_peak_bytes: null };
  expect(await figures()).toEqual({ status: "running", ...soFar });
  const stranger = await farm.addWorker(scene.organization.id);
  await stranger.connect();
  stranger.send({ type: "usage", builds: [{ assignment, fencing, ...told, cpuMs: 9 }] });
  await stranger.settle();
  expect(await figures()).toEqual({ status: "running", ...soFar });
  await worker.drop();
  await worker.connect();
  expect(await figures()).toEqual({ status: "internal_error", ...soFar });
});

test("a build that asks for more than any worker has fails and says so, with what waits for it", async () => {
  const { farm } = scene;
  const env = { NIXBUILDNET_MIN_MEM: "4096" };
  const greedy = makeDerivation("greedy", { env });
  const next = makeDerivation("next", { inputs: [greedy] });
  const evaluation = await evaluate(scene, [next], [greedy]);
  await expect
    .poll(async () => {
      await clock.advance(4000);
      return evaluationState(farm, evaluation);
    })
    .toBe("Failed");
  expect(await buildStates(farm)).toEqual({ greedy: "FailedPermanent", next: "DependencyFailed" });
  expect(await allocations()).toMatchObject([
    {
      status: "client_error",
      message:
        "it asks for at least 4096 MB of memory (NIXBUILDNET_MIN_MEM), and the largest worker that could build it has 1024 MB",
    },
  ]);
});

test("it waits while a worker is away that has as much", async () => {
  const { farm, organization } = scene;
  const large = await farm.addWorker(organization.id);
  await large.connect({ cores: 16 });
  await large.drop();
  const evaluation = await evaluate(scene, [
    makeDerivation("wide", { env: { NIXBUILDNET_MIN_CPU: "8" } }),
  ]);
  await clock.advance(4000);
  await farm.farm.reviewWaiting();
  expect(await buildStates(farm)).toEqual({ wide: "Queued" });
  expect(await evaluationState(farm, evaluation)).toBe("Building");
  await large.connect({ cores: 16 });
  await large.takeOffer("build");
});
